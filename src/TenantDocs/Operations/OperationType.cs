namespace TenantDocs.Operations;

/// <summary>A kind of operation: its steps, and what the catalog says when it ends.</summary>
public abstract class OperationType
{
    /// <summary>Name in rows, API and logs: camelCase.</summary>
    public abstract string Name { get; }

    /// <summary>Takes hours: has workers of its own, so that short operations never wait behind it. Default false.</summary>
    public virtual bool IsLong => false;

    /// <summary>The steps. Must give the same list whenever it is asked about the same operation.</summary>
    public abstract IReadOnlyList<OperationStep> Steps(Operation operation);

    /// <summary>Adds catalog changes that commit together with the operation's success.</summary>
    public virtual void OnSucceeded(OperationContext context, CatalogWrites writes) { }

    /// <summary>Adds catalog changes that commit together with its end as failed or cancelled.</summary>
    public virtual void OnGivenUp(OperationContext context, OperationStatus status, CatalogWrites writes) { }

    /// <summary>
    /// Called whenever this process stops working on an operation: it has ended, waits, or is another worker's. Lets go of
    /// what the process holds for it.
    /// </summary>
    /// <param name="taken">The operation, as this process took it.</param>
    public virtual Task OnLetGoAsync(Operation taken) => Task.CompletedTask;
}

/// <summary>The kinds of operations by name; a doubled one is an error at start.</summary>
public sealed class OperationTypes(IEnumerable<OperationType> types)
{
    private readonly Dictionary<string, OperationType> _byName = types.ToDictionary(
        t => t.Name,
        StringComparer.Ordinal
    );

    /// <summary>Names of the short or the long kinds.</summary>
    public string[] Names(bool isLong) => [.. _byName.Values.Where(t => t.IsLong == isLong).Select(t => t.Name)];

    /// <summary>A kind by name.</summary>
    /// <exception cref="KeyNotFoundException">This program does not know it.</exception>
    public OperationType this[string name] => _byName[name];
}
