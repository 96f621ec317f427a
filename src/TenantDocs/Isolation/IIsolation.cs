using System.Collections.Frozen;
using TenantDocs.Catalog;
using TenantDocs.Database;

namespace TenantDocs.Isolation;

/// <summary>
/// One of the three isolation models. They differ in where a session goes and in how its pool behaves, and in nothing
/// else: tables, policies, gate and repository are the same.
/// </summary>
public interface IIsolation
{
    /// <summary>Which of the three this is.</summary>
    public IsolationModel Model { get; }

    /// <summary>The home that a tenant has in this model on a server.</summary>
    public Placement PlaceFor(TenantId tenant, string server, long epoch);

    /// <summary>
    /// <c>search_path</c> that connections start with. Where all tenants of a database have the same schema it is that
    /// one, and the gate has nothing to set; else it is <c>pg_catalog</c>, so that a forgotten gate finds no table.
    /// </summary>
    public string SearchPath { get; }
}

/// <summary>Rows in tables that all tenants share.</summary>
/// <remarks>Guarantees: the policy on <c>app.current_tenant</c> judges every row. Proof: PolicyAttackTests.</remarks>
internal sealed class SharedIsolation(DatabaseNames names) : IIsolation
{
    public IsolationModel Model => IsolationModel.Shared;

    public string SearchPath => DatabaseNames.SharedSchema.Name;

    public Placement PlaceFor(TenantId tenant, string server, long epoch) =>
        new(Model, server, names.SharedDatabase, DatabaseNames.SharedSchema, epoch);
}

/// <summary>A schema of the tenant's own in a database of such schemas.</summary>
/// <remarks>Guarantees: <c>search_path</c> holds exactly that schema. Proof: PlaceAttackTests.</remarks>
internal sealed class SchemaIsolation(DatabaseNames names) : IIsolation
{
    public IsolationModel Model => IsolationModel.Schema;

    public string SearchPath => "pg_catalog";

    public Placement PlaceFor(TenantId tenant, string server, long epoch) =>
        new(Model, server, names.SchemaDatabase, DatabaseNames.SchemaOf(tenant), epoch);
}

/// <summary>A database of the tenant's own.</summary>
/// <remarks>Guarantees: no other tenant's row is in it. Proof: RoleAttackTests, PlaceAttackTests.</remarks>
internal sealed class DatabaseIsolation(DatabaseNames names) : IIsolation
{
    public IsolationModel Model => IsolationModel.Database;

    public string SearchPath => DatabaseNames.DedicatedSchema.Name;

    public Placement PlaceFor(TenantId tenant, string server, long epoch) =>
        new(Model, server, names.DatabaseOf(tenant), DatabaseNames.DedicatedSchema, epoch);
}

/// <summary>The three models by name; a missing or doubled one is an error at start, not at the first request.</summary>
public sealed class Isolations
{
    private readonly FrozenDictionary<IsolationModel, IIsolation> _byModel;

    /// <summary>Indexes the models.</summary>
    /// <exception cref="InvalidOperationException">A model is missing or registered twice.</exception>
    public Isolations(IEnumerable<IIsolation> isolations)
    {
        var all = isolations.ToList();
        var faulty = Enum.GetValues<IsolationModel>().Where(m => all.Count(i => i.Model == m) != 1).ToList();
        if (faulty.Count > 0)
        {
            throw new InvalidOperationException(
                $"Each isolation model must be registered exactly once; check: {string.Join(", ", faulty)}."
            );
        }

        _byModel = all.ToFrozenDictionary(i => i.Model);
    }

    /// <summary>The model of that name.</summary>
    public IIsolation this[IsolationModel model] => _byModel[model];
}
