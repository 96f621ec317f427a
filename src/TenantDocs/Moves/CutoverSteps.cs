using System.Diagnostics;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>Applies what was written since the copy, until the target lags by milliseconds.</summary>
internal sealed class CatchUpStep(MoveTools tools) : MoveStep(tools)
{
    public override string Phase => "catchingUp";

    protected override async Task<StepOutcome> DoAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        var run = await FollowAsync(context, leg, cancellationToken);
        await run.CatchUpAsync(
            async () =>
            {
                Describe(context, leg, run);
                await context.ReportAsync(run.Link.Changes, run.Link.Changes, "changes", cancellationToken);
            },
            cancellationToken
        );
        Describe(context, leg, run);
        return StepOutcome.Done;
    }

    internal static void Describe(OperationContext context, MoveLeg leg, MoveRun run)
    {
        var known = context.Kept<MoveDetails>(MoveDetails.Key) ?? new MoveDetails();
        context.Keep(
            MoveDetails.Key,
            known with
            {
                SecondsLeft = null,
                Throttled = null,
                LagMs = Math.Round(Math.Min(run.Link.Lag.TotalMilliseconds, int.MaxValue), 1),
                Changes = run.Link.Changes,
                PauseBudgetMs = leg.MaxPauseMs,
                Equal = run.IsVerified ? true : null,
            }
        );
    }
}

/// <summary>Compares both sides, row by row, as they are at one marker.</summary>
internal sealed class VerifyStep(MoveTools tools) : MoveStep(tools)
{
    public override string Phase => "verifying";

    protected override async Task<StepOutcome> DoAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        var run = await FollowAsync(context, leg, cancellationToken);
        await VerifyAsync(context, run, cancellationToken);
        return StepOutcome.Done;
    }

    /// <summary>Ends the move by the name of what differs.</summary>
    internal static void EnsureEqual(IReadOnlyList<TableVerification> tables)
    {
        if (tables.FirstOrDefault(t => !t.Equal) is { } other)
        {
            throw new MoveFaultException(
                $"The comparison found differences in '{other.Name}': {string.Join(", ", other.Differences)}."
            );
        }
    }

    internal static async Task VerifyAsync(OperationContext context, MoveRun run, CancellationToken cancellationToken)
    {
        var rows = context.Kept<CopyResult>("copied")?.Rows ?? 0;
        var tables = await run.VerifyAsync(
            done => context.ReportAsync(done, Math.Max(done, rows), "rows", cancellationToken),
            cancellationToken
        );
        context.Keep("verification", tables);
        EnsureEqual(tables);
    }
}

/// <summary>Waits for the word to switch, then makes everything ready that the pause will use.</summary>
internal sealed class ReadyStep(MoveTools tools) : MoveStep(tools)
{
    public const string Signal = "cutover";
    private const int GoodCanaries = 3;
    private const double GoodCanaryMs = 12;
    private static readonly TimeSpan NarrowEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan VerifiedFor = TimeSpan.FromMinutes(10);

    public override string Phase => "ready";

    public override async Task UndoAsync(OperationContext context, CancellationToken cancellationToken)
    {
        if (context.Kept<ReturnPath>(ReturnPath.Key) is { } back)
        {
            var leg = context.Input<MoveLeg>();
            await Tools.Streams.RemoveAsync(back.Link, leg.Target, cancellationToken);
            foreach (var planned in StreamObjects.ObjectsOf(back.Link, leg.Target))
            {
                context.Settle(planned, kept: false);
            }
        }
    }

    protected override async Task<StepOutcome> DoAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        var run = await FollowAsync(context, leg, cancellationToken);
        if (!leg.AutoCutover)
        {
            await WaitForWordAsync(context, run, cancellationToken);
        }

        // What somebody does to the target by hand is in no stream: it is looked at again when the word was long in coming.
        if (!run.IsVerified || Stopwatch.GetElapsedTime(run.VerifiedAt) > VerifiedFor)
        {
            await VerifyStep.VerifyAsync(context, run, cancellationToken);
        }

        CatchUpStep.Describe(context, leg, run);
        run.ShortenLag();
        await PrepareReturnAsync(context, leg, run, cancellationToken);
        await run.OpenPairAsync(cancellationToken);
        await Tools.ReachAsync("Narrowing", cancellationToken);
        await run.NarrowAsync(cancellationToken);
        await run.OpenForPauseAsync(cancellationToken);
        run.Completion ??= await context.OpenCompletionAsync(cancellationToken);
        for (var i = 0; i < 3; i++)
        {
            await run.Completion.RehearseAsync(HoldStep.Switch(leg, new CatalogWrites()), cancellationToken);
        }

        await WarmTargetAsync(leg, cancellationToken);
        await AwaitCanariesAsync(leg, run, cancellationToken);
        return StepOutcome.Done;
    }

    private static async Task WaitForWordAsync(
        OperationContext context,
        MoveRun run,
        CancellationToken cancellationToken
    )
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var word = context.WaitForSignalAsync(Signal, stop.Token);
        try
        {
            while (await Task.WhenAny(word, run.Link.Faulted, Task.Delay(NarrowEvery, stop.Token)) is var first)
            {
                if (first == word)
                {
                    break;
                }

                if (run.Link.Faulted.IsCompleted)
                {
                    await run.Link.Faulted;
                }

                if (run.IsVerified)
                {
                    // So that hours of waiting do not gather millions of keys.
                    await run.NarrowAsync(stop.Token);
                }

                await TellAsync(context, run, stop.Token);
            }
        }
        catch
        {
            await stop.CancelAsync();
            await ((Task)word).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        await word;
    }

    private static async Task TellAsync(OperationContext context, MoveRun run, CancellationToken cancellationToken)
    {
        CatchUpStep.Describe(context, run.Leg, run);
        try
        {
            await context.SaveAsync(cancellationToken);
        }
        catch (Exception e) when (OperationFaults.IsTransient(e) && !cancellationToken.IsCancellationRequested)
        {
            // For people only: said again in a moment. The heartbeat knows when the catalog is away for too long.
        }
    }

    // The way back begins with a slot, and making one waits for every writer of the server: so it is made before the pause.
    private async Task PrepareReturnAsync(
        OperationContext context,
        MoveLeg leg,
        MoveRun run,
        CancellationToken cancellationToken
    )
    {
        var plan = context.Kept<MoveProgressPlan>("plan");
        if (
            !leg.CanReturn
            || leg.KeepSourceFor <= TimeSpan.Zero
            || plan?.Notes.Any(n => n.Code == MovePlanner.NoWayBack) == true
        )
        {
            return;
        }

        var back = context.Kept<ReturnPath>(ReturnPath.Key) ?? new ReturnPath(Guid.NewGuid(), Guid.NewGuid());
        context.Keep(ReturnPath.Key, back);
        foreach (var planned in StreamObjects.ObjectsOf(back.Link, leg.Target))
        {
            await context.PlanAsync(planned, cancellationToken);
        }

        await Tools.Streams.PublishAsync(back.Link, leg.Target, leg.TenantId, run.TargetTables, cancellationToken);
        await StreamObjects.CreateSlotAsync(
            run.Connections,
            back.Link,
            leg.Target,
            Tools.Options.Patience,
            cancellationToken
        );
    }

    // The first requests after the switch find open connections.
    private async Task WarmTargetAsync(MoveLeg leg, CancellationToken cancellationToken)
    {
        var leases = new List<ConnectionLease>();
        try
        {
            for (var i = 0; i < 4; i++)
            {
                leases.Add(
                    await Tools.Registry.RentAsync(
                        leg.Target.Server,
                        leg.Target.Database,
                        Tools.Isolations[leg.Target.Isolation],
                        cancellationToken
                    )
                );
            }
        }
        catch (ConnectionBudgetException)
        {
            // A busy node opens them when they are needed.
        }
        finally
        {
            foreach (var lease in leases)
            {
                await lease.DisposeAsync();
            }
        }
    }

    /// <summary>How long a canary may take: at first as short as the pause is to be, later up to a fifth of what it may be.</summary>
    internal static TimeSpan CanaryBudget(MoveLeg leg, long since)
    {
        var most = leg.MaxPauseMs / 5.0;
        var patience = Stopwatch.GetElapsedTime(since).TotalSeconds / 5;
        return TimeSpan.FromMilliseconds(Math.Min(most, GoodCanaryMs + (most - GoodCanaryMs) * patience));
    }

    private async Task AwaitCanariesAsync(MoveLeg leg, MoveRun run, CancellationToken cancellationToken)
    {
        // A neighbour's huge commit delays the stream by as long as it takes to decode: seen here, not in the pause.
        var started = Stopwatch.GetTimestamp();
        for (var good = 0; good < GoodCanaries; )
        {
            good = await run.SendCanaryAsync(cancellationToken) <= CanaryBudget(leg, started) ? good + 1 : 0;
            if (Stopwatch.GetElapsedTime(started) > Tools.Options.Patience)
            {
                throw new TimeoutException("The stream of changes never came within the budget of the pause.");
            }
        }
    }
}

/// <summary>The stream that will keep the source current after the switch.</summary>
/// <param name="Link">Its identity.</param>
/// <param name="Start">The marker of the arrival: what is before it came from the source.</param>
internal sealed record ReturnPath(Guid Link, Guid Start)
{
    public const string Key = "return";
}
