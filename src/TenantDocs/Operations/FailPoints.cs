namespace TenantDocs.Operations;

/// <summary>
/// Named places around every step at which a test can end the worker, as a crash would: nothing is written afterwards,
/// and the lease runs out by itself. In production they do nothing.
/// </summary>
public class FailPoints
{
    /// <summary>Reached at <c>{type}/{step}/{place}</c>; see <see cref="FailPlace"/>. What it throws is a crash.</summary>
    public virtual ValueTask ReachAsync(string point, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    internal static string Name(string type, OperationStep step, FailPlace place) =>
        $"{type}/{step.GetType().Name}/{place}";
}

/// <summary>The places around a step.</summary>
public enum FailPlace
{
    /// <summary>Nothing of the step was done.</summary>
    BeforeDo,

    /// <summary>Its effect is there, its completion is not written.</summary>
    AfterEffect,

    /// <summary>Its completion is written, and the worker has not heard of it: what is thrown here is a lost answer.</summary>
    Unheard,

    /// <summary>Its completion is written.</summary>
    AfterWrite,

    /// <summary>Nothing of it was undone.</summary>
    BeforeUndo,

    /// <summary>Its effect is gone, that is not written.</summary>
    AfterUndo,
}
