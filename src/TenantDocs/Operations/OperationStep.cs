namespace TenantDocs.Operations;

/// <summary>What to do when a step has failed <see cref="OperationOptions.MaxAttempts"/> times, or for good.</summary>
public enum StepFailure
{
    /// <summary>Undo this step and those before it, in reverse, then end as failed.</summary>
    Undo,

    /// <summary>End as failed and keep what was done; a new operation continues from there.</summary>
    Stop,

    /// <summary>Go on trying, ever more slowly: behind a point of no return there is only forward.</summary>
    KeepTrying,
}

/// <summary>
/// One step of an operation. Any method may run twice, and again in another process: after a crash nobody knows how far
/// the step had come.
/// </summary>
public abstract class OperationStep
{
    /// <summary>The phase that people see. Steps beside each other may share one.</summary>
    public abstract string Phase { get; }

    /// <summary>
    /// Whether a cancellation is accepted while this step is the current one. It then cancels the step's token and undoes
    /// this step and those before it. Default true.
    /// </summary>
    public virtual bool Cancellable => true;

    /// <summary>What follows when the step cannot be done. Default <see cref="StepFailure.Undo"/>.</summary>
    public virtual StepFailure OnFailure => StepFailure.Undo;

    /// <summary>The longest pause between attempts; null as the options say. Short where somebody waits to be served.</summary>
    public virtual TimeSpan? MaxRetryDelay => null;

    /// <summary>
    /// Whether the effect of <see cref="DoAsync"/> is already there. Asked only when the step may have run before.
    /// Default false: the step is simply done again.
    /// </summary>
    public virtual Task<bool> CheckAsync(OperationContext context, CancellationToken cancellationToken) =>
        Task.FromResult(false);

    /// <summary>
    /// Does the work. Catalog changes that belong to the step go into <see cref="OperationContext.OnCompletion"/>: they
    /// commit together with the step's completion, or not at all.
    /// </summary>
    public abstract Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken);

    /// <summary>Takes the effect back, whether it is there, half there or not there. Default: nothing to take back.</summary>
    public virtual Task UndoAsync(OperationContext context, CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>What a step came to.</summary>
public sealed record StepOutcome
{
    private StepOutcome(TimeSpan? waitAtMost) => WaitAtMost = waitAtMost;

    /// <summary>The step is done.</summary>
    public static StepOutcome Done { get; } = new((TimeSpan?)null);

    internal TimeSpan? WaitAtMost { get; }

    /// <summary>
    /// The step is not done: run it again when a signal arrives, at the latest after <paramref name="atMost"/>. The
    /// operation is <c>waiting</c> and holds no worker meanwhile.
    /// </summary>
    public static StepOutcome Wait(TimeSpan atMost) => new(atMost);
}
