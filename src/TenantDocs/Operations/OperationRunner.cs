using Microsoft.Extensions.Logging;

namespace TenantDocs.Operations;

/// <summary>
/// Carries out one leased operation: forward step by step, and back again when it is cancelled or cannot be done. Between
/// any two statements here the process may die; the row then says where another worker goes on.
/// </summary>
internal sealed partial class OperationRunner(
    OperationType type,
    OperationContext context,
    FailPoints failPoints,
    OperationOptions options,
    TimeProvider time,
    ILogger logger
)
{
    private const string UndoingPhase = "undoing";

    private readonly IReadOnlyList<OperationStep> _steps = type.Steps(context.Operation);
    private CancellationTokenSource? _step;

    /// <summary>Runs until the operation ends or waits.</summary>
    /// <param name="resumed">The current step may have been begun by another worker.</param>
    /// <param name="cancellationToken">The worker stops, or the lease is lost.</param>
    /// <exception cref="LeaseLostException">Another worker holds it.</exception>
    public async Task<Operation> RunAsync(bool resumed, CancellationToken cancellationToken)
    {
        context.MayHaveRun = resumed;
        while (context.Operation is { IsFinished: false, Undoing: false })
        {
            var step = _steps[context.Operation.Step];
            if (context.IsCancelling && step.Cancellable)
            {
                await BeginUndoAsync(null, cancellationToken);
            }
            else if (context.Operation.Attempts > options.MaxAttempts && step.OnFailure is StepFailure.Undo)
            {
                // Every attempt ended with the death of its worker.
                await BeginUndoAsync(OperationFaults.Interrupted(step.Phase), cancellationToken);
            }
            else if (await StepAsync(step, cancellationToken) is { } atMost)
            {
                return await WriteAsync(o => o with { Status = OperationStatus.Waiting }, atMost, cancellationToken);
            }
        }

        while (context.Operation is { IsFinished: false, Undoing: true })
        {
            await UndoStepAsync(cancellationToken);
        }

        return context.Operation;
    }

    /// <summary>Ends the current step when it can be cancelled; called when a cancellation was accepted.</summary>
    public void CancelStep()
    {
        if (context.IsCancelling && !context.Operation.Undoing && _steps[context.Operation.Step].Cancellable)
        {
            try
            {
                _step?.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // The step ended in this moment; its completion is refused instead.
            }
        }
    }

    /// <summary>Returns how long to wait at most, when the step waits.</summary>
    private async Task<TimeSpan?> StepAsync(OperationStep step, CancellationToken cancellationToken)
    {
        await ReachAsync(step, FailPlace.BeforeDo, cancellationToken);
        StepOutcome outcome;
        var seen = context.Operation.Signals.GetRawText();
        try
        {
            outcome = await DoAsync(step, cancellationToken);
        }
        catch (Exception e) when (e is not LeaseLostException && !cancellationToken.IsCancellationRequested)
        {
            await FailAsync(step, e, cancellationToken);
            return null;
        }

        if (outcome.WaitAtMost is { } atMost)
        {
            // A signal that came while the step ran is known here, and perhaps not to the step: it looks again at once.
            return context.Operation.Signals.GetRawText() == seen ? atMost : TimeSpan.Zero;
        }

        await ReachAsync(step, FailPlace.AfterEffect, cancellationToken);
        try
        {
            await CompleteAsync(step, cancellationToken);
        }
        catch (Exception e) when (e is not LeaseLostException && !cancellationToken.IsCancellationRequested)
        {
            // A lost answer is not a no: undoing a step whose completion is written would take back what everybody sees.
            if (e is OperationCancelledException || !await AdoptAsync(cancellationToken))
            {
                await FailAsync(step, e, cancellationToken);
                return null;
            }

            context.MayHaveRun = false;
        }

        await ReachAsync(step, FailPlace.AfterWrite, cancellationToken);
        return null;
    }

    private async Task<StepOutcome> DoAsync(OperationStep step, CancellationToken cancellationToken)
    {
        using var source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _step = source;
        try
        {
            context.OnCompletion = new CatalogWrites();
            context.Completion =
                step.Cancellable || context.Operation.Step + 1 == _steps.Count ? null : o => Completed(o, step);
            return context.MayHaveRun && await step.CheckAsync(context, source.Token)
                ? StepOutcome.Done
                : await step.DoAsync(context, source.Token);
        }
        finally
        {
            _step = null;
        }
    }

    // Not before the catalog answers: until then nobody knows which way is forward. The lease ends it.
    private async Task<bool> AdoptAsync(CancellationToken cancellationToken)
    {
        for (var pause = options.RetryDelay; ; pause = pause < options.PollInterval ? pause * 2 : pause)
        {
            try
            {
                return await context.AdoptAsync(cancellationToken);
            }
            catch (Exception e) when (OperationFaults.IsTransient(e) && !cancellationToken.IsCancellationRequested)
            {
                await Task.Delay(pause, time, cancellationToken);
            }
        }
    }

    private async Task CompleteAsync(OperationStep step, CancellationToken cancellationToken)
    {
        context.OnWritten = () => ReachAsync(step, FailPlace.Unheard, cancellationToken);
        try
        {
            await WriteCompletionAsync(step, cancellationToken);
        }
        finally
        {
            context.OnWritten = null;
        }

        context.MayHaveRun = false;
    }

    private async Task WriteCompletionAsync(OperationStep step, CancellationToken cancellationToken)
    {
        if (context.Early is { IsBegun: true } early)
        {
            await context.CommitAsync(early, cancellationToken);
        }
        else
        {
            if (context.Operation.Step + 1 == _steps.Count)
            {
                type.OnSucceeded(context, context.OnCompletion);
            }

            await context.WriteAsync(
                o => Completed(o, step),
                context.OnCompletion,
                // Whoever was told "cancelling" must not find the work done: the step is undone instead.
                unlessCancelling: step.Cancellable,
                release: null,
                cancellationToken
            );
        }
    }

    private Operation Completed(Operation o, OperationStep step)
    {
        var done = o.Step + 1;
        var isLast = done == _steps.Count;
        return o with
        {
            Step = done,
            Status = isLast ? OperationStatus.Succeeded : OperationStatus.Running,
            Phase = isLast ? step.Phase : _steps[done].Phase,
            Cancellable = !isLast && _steps[done].Cancellable,
            Progress =
                o.Progress.Unit == OperationRequests.Steps ? o.Progress with { Done = done }
                : isLast ? o.Progress with { Done = o.Progress.Total }
                : o.Progress,
            Attempts = 0,
        };
    }

    private async Task FailAsync(OperationStep step, Exception fault, CancellationToken cancellationToken)
    {
        if (fault is OperationCancelledException || (context.IsCancelling && step.Cancellable))
        {
            await ObserveAsync(cancellationToken);
            await BeginUndoAsync(null, cancellationToken);
            return;
        }

        StepFailed(logger, fault, type.Name, context.Operation.Id, step.Phase, context.Operation.Tenant?.Value);
        var attempts = context.Operation.Attempts + 1;
        var isFinal =
            fault is OperationFailedException || !OperationFaults.IsTransient(fault) || attempts >= options.MaxAttempts;
        if (!isFinal || step.OnFailure is StepFailure.KeepTrying)
        {
            await RetryAsync(attempts, step.MaxRetryDelay ?? options.MaxRetryDelay, cancellationToken);
            return;
        }

        var problem = OperationFaults.Describe(fault, step.Phase, step.OnFailure);
        if (step.OnFailure is StepFailure.Undo)
        {
            await BeginUndoAsync(problem, cancellationToken);
        }
        else
        {
            await FinishAsync(OperationStatus.Failed, problem, cancellationToken);
        }
    }

    // In this process and under the same lease: short pauses are not worth a hand-over.
    private async Task RetryAsync(int attempts, TimeSpan longest, CancellationToken cancellationToken)
    {
        context.MayHaveRun = true;
        await WriteAsync(o => o with { Attempts = attempts }, null, cancellationToken);
        var doubled = options.RetryDelay * Math.Pow(2, Math.Min(attempts - 1, 20));
        await Task.Delay(doubled < longest ? doubled : longest, time, cancellationToken);
    }

    private Task<Operation> BeginUndoAsync(Error? problem, CancellationToken cancellationToken) =>
        WriteAsync(
            o =>
                o with
                {
                    Undoing = true,
                    Phase = UndoingPhase,
                    Cancellable = false,
                    Attempts = 0,
                    Problem = problem is null ? o.Problem : OperationFaults.ToJson(problem),
                },
            null,
            cancellationToken
        );

    private async Task UndoStepAsync(CancellationToken cancellationToken)
    {
        var index = Math.Min(context.Operation.Step, _steps.Count - 1);
        var step = _steps[index];
        await ReachAsync(step, FailPlace.BeforeUndo, cancellationToken);
        try
        {
            context.OnCompletion = new CatalogWrites();
            await step.UndoAsync(context, cancellationToken);
        }
        catch (Exception e) when (e is not LeaseLostException && !cancellationToken.IsCancellationRequested)
        {
            await FailUndoAsync(step, e, cancellationToken);
            return;
        }

        await ReachAsync(step, FailPlace.AfterUndo, cancellationToken);
        if (index > 0)
        {
            await context.WriteAsync(
                o => o with { Step = index - 1, Attempts = 0 },
                context.OnCompletion,
                unlessCancelling: false,
                release: null,
                cancellationToken
            );
            return;
        }

        var wasCancelled = context.Operation is { Status: OperationStatus.Cancelling, Problem: null };
        await FinishAsync(wasCancelled ? OperationStatus.Cancelled : OperationStatus.Failed, null, cancellationToken);
    }

    // What cannot be undone now (its server is down) stays in the journal, and the sweeper comes back for it.
    private async Task FailUndoAsync(OperationStep step, Exception fault, CancellationToken cancellationToken)
    {
        StepFailed(logger, fault, type.Name, context.Operation.Id, UndoingPhase, context.Operation.Tenant?.Value);
        context.OnCompletion = new CatalogWrites();
        var attempts = context.Operation.Attempts + 1;
        if (attempts < options.MaxAttempts)
        {
            await RetryAsync(attempts, step.MaxRetryDelay ?? options.MaxRetryDelay, cancellationToken);
            return;
        }

        var problem = context.Operation.Problem is null ? OperationFaults.NotUndone(step.Phase) : null;
        await FinishAsync(OperationStatus.Failed, problem, cancellationToken);
    }

    private Task<Operation> FinishAsync(OperationStatus status, Error? problem, CancellationToken cancellationToken)
    {
        type.OnGivenUp(context, status, context.OnCompletion);
        return context.WriteAsync(
            o =>
                o with
                {
                    Status = status,
                    Cancellable = false,
                    Problem = problem is null ? o.Problem : OperationFaults.ToJson(problem),
                },
            context.OnCompletion,
            unlessCancelling: false,
            release: null,
            cancellationToken
        );
    }

    private Task<Operation> WriteAsync(
        Func<Operation, Operation> change,
        TimeSpan? release,
        CancellationToken cancellationToken
    ) => context.WriteAsync(change, new CatalogWrites(), unlessCancelling: false, release, cancellationToken);

    private async Task ObserveAsync(CancellationToken cancellationToken)
    {
        if (!await context.HeartbeatAsync(cancellationToken))
        {
            throw new LeaseLostException();
        }
    }

    private ValueTask ReachAsync(OperationStep step, FailPlace place, CancellationToken cancellationToken) =>
        failPoints.ReachAsync(FailPoints.Name(type.Name, step, place), cancellationToken);

    [LoggerMessage(7002, LogLevel.Warning, "Operation {Type} {Operation}: phase {Phase} failed (tenant {Tenant}).")]
    private static partial void StepFailed(
        ILogger logger,
        Exception exception,
        string type,
        Guid operation,
        string phase,
        Guid? tenant
    );
}
