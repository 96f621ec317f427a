using System.Diagnostics;
using Npgsql;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>Looks before anything is made.</summary>
internal sealed class PlanStep(MoveTools tools) : MoveStep(tools)
{
    public override string Phase => "planned";

    // Nothing is made yet, but whoever gave the move up sees a new epoch, whenever that was.
    public override async Task UndoAsync(OperationContext context, CancellationToken cancellationToken)
    {
        var leg = context.Input<MoveLeg>();
        if (context.IsCancelling && await IsThereAsync(leg, cancellationToken))
        {
            await MoveAbort.AbortAsync(Tools, context, leg, cancellationToken);
        }
    }

    // A source that is away is not waited for: it was not touched, and would have to be opened under the new epoch.
    private async Task<bool> IsThereAsync(MoveLeg leg, CancellationToken cancellationToken)
    {
        try
        {
            await using var source = await Tools.OpenAsync(leg, leg.Source, cancellationToken);
            return true;
        }
        catch (Exception e) when (OperationFaults.IsTransient(e) && !cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    protected override async Task<StepOutcome> DoAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        if (await MoveTurn.IsBusyAsync(Tools, context.Operation, leg, cancellationToken))
        {
            return StepOutcome.Wait(TimeSpan.FromMilliseconds(500));
        }

        var tenant = await Tools.Catalog.FindAsync(leg.TenantId, cancellationToken);
        var plan = await Tools.Planner.PlanAsync(leg, tenant!, context.Operation.Id, cancellationToken);
        if (plan.Blockers is [var first, ..])
        {
            throw new OperationFailedException(
                new Error(ErrorKind.Conflict, first.Code, first.Detail)
                {
                    Extensions = new Dictionary<string, object?> { ["blockers"] = plan.Blockers },
                }
            );
        }

        context.Keep("plan", plan);
        return StepOutcome.Done;
    }
}

/// <summary>Makes the target, the publication and the slot, each written down before it is made.</summary>
internal sealed class PrepareStep(MoveTools tools) : MoveStep(tools)
{
    public override string Phase => "prepared";

    public override async Task UndoAsync(OperationContext context, CancellationToken cancellationToken)
    {
        var leg = context.Input<MoveLeg>();
        if (!await MoveAbort.AbortAsync(Tools, context, leg, cancellationToken))
        {
            // Committed after all: the target is the tenant's home and stays.
            return;
        }

        await Tools.Runs.ReleaseAsync(context.Operation.Id);
        await Tools.EndAtSourceAsync(leg, cancellationToken);
        foreach (var planned in StreamObjects.ObjectsOf(leg.Link, leg.Source))
        {
            context.Settle(planned, kept: false);
        }

        await Tools.Streams.RemoveAsync(leg.Link, leg.Source, cancellationToken);
        await Tools.EndAtTargetAsync(leg, cancellationToken);
        var home = OperationObject.HomeOf(leg.TenantId, leg.Target);
        await Tools.Homes.RemoveLeftAsync(home, leg.TenantId, cancellationToken);
        context.Settle(home, kept: false);
    }

    protected override async Task<StepOutcome> DoAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        if (!await Retention.EndEarlierAsync(Tools, leg, cancellationToken))
        {
            return StepOutcome.Wait(TimeSpan.FromMilliseconds(200));
        }

        await context.PlanAsync(OperationObject.HomeOf(leg.TenantId, leg.Target), cancellationToken);
        await DiskFullException.OnAsync(
            leg.Target.Server,
            Tools.Target.MakeAsync(leg.TenantId, leg.Target, cancellationToken)
        );
        var run = await Tools.RunAsync(context, leg, cancellationToken);
        if (!leg.UnderFence)
        {
            foreach (var planned in StreamObjects.ObjectsOf(leg.Link, leg.Source))
            {
                await context.PlanAsync(planned, cancellationToken);
            }

            await Tools.Streams.PublishAsync(leg.Link, leg.Source, leg.TenantId, run.SourceTables, cancellationToken);
            await StreamObjects.CreateSlotAsync(
                run.Connections,
                leg.Link,
                leg.Source,
                Tools.Options.Patience,
                cancellationToken
            );
        }

        return StepOutcome.Done;
    }
}

/// <summary>Copies the rows as they are at a barrier.</summary>
internal sealed class CopyStep(MoveTools tools) : MoveStep(tools)
{
    public override string Phase => "copying";

    protected override async Task<StepOutcome> DoAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        var run = await Tools.RunAsync(context, leg, cancellationToken);
        if (context.MayHaveRun)
        {
            // A stream of the attempt before would go on applying to what is emptied, from a start that is no more.
            await run.StopAsync();
            await Tools.Target.EmptyAsync(
                run.Connections,
                leg.Target,
                run.TargetTables,
                leg.TenantId,
                leg.Link,
                run.Token,
                cancellationToken
            );
        }

        var start = Guid.NewGuid();
        context.Keep(StartKey, start);
        await using var snapshot = await run.Barrier.TakeAsync(
            leg.Source,
            leg.TenantId,
            start,
            Tools.Options.Patience,
            cancellationToken
        );
        await Tools.ReachAsync("Barrier", cancellationToken);
        try
        {
            await CopyRows.CopyAsync(Tools, context, run, snapshot, cancellationToken);
        }
        catch (NpgsqlException e) when (e.InnerException is TimeoutException)
        {
            throw new TimeoutException(
                $"The copy stood still: a server did not answer for {Tools.Options.SilenceLimit.TotalSeconds:f0} s.",
                e
            );
        }

        await Tools.ReachAsync("Copied", cancellationToken);
        // Its stream begins at the marker; nothing of what came before it was lost, nothing is copied twice.
        run.Follow(start);
        await Tools.Target.AnalyzeAsync(leg.Target, cancellationToken);
        return StepOutcome.Done;
    }
}

/// <summary>The copy itself, with its progress.</summary>
internal static class CopyRows
{
    private const int AtOnceUnderFence = 4;

    public static async Task CopyAsync(
        MoveTools tools,
        OperationContext context,
        MoveRun run,
        BarrierSnapshot snapshot,
        CancellationToken cancellationToken
    )
    {
        var plan = context.Kept<MoveProgressPlan>("plan");
        var leg = run.Leg;
        var started = Stopwatch.GetTimestamp();
        // Nobody rests while the tenant's writes are held.
        await using var pacer = leg.UnderFence ? null : await run.PaceAsync(cancellationToken);
        var copy = new TableCopy(run.Connections, pacer, leg.Link, run.Token);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var copying = copy.CopyAsync(
            snapshot,
            run.SourceTables,
            leg.Target,
            run.TargetTables,
            leg.TenantId,
            // Most tables are small: what takes time is to connect, and here writes wait for it.
            leg.UnderFence
                ? Math.Max(tools.Options.ParallelTables, AtOnceUnderFence)
                : tools.Options.ParallelTables,
            stop.Token
        );
        try
        {
            while (!copying.IsCompleted)
            {
                var pause = Task.Delay(TimeSpan.FromMilliseconds(500), tools.Time, CancellationToken.None);
                if (await Task.WhenAny(copying, pause) == pause && !leg.UnderFence)
                {
                    var elapsed = Stopwatch.GetElapsedTime(started);
                    context.Keep(
                        MoveDetails.Key,
                        MoveDetails.Copying(copy.Progress, plan, elapsed, pacer is { IsResting: true })
                    );
                    var rows = copy.Progress.Sum(p => p.Rows);
                    await context.ReportAsync(rows, Math.Max(rows, plan?.Rows ?? 0), "rows", cancellationToken);
                    await context.SaveAsync(cancellationToken);
                }
            }
        }
        catch
        {
            // The next attempt must not find this one still writing.
            await stop.CancelAsync();
            await copying.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        await copying;
        context.Keep("copied", new CopyResult(copy.Progress.Sum(p => p.Rows), copy.Progress.Sum(p => p.Bytes)));
        context.Keep(
            MoveDetails.Key,
            MoveDetails.Copying(copy.Progress, plan, Stopwatch.GetElapsedTime(started), throttled: false)
        );
    }
}

/// <summary>What the progress needs of the plan.</summary>
internal sealed record MoveProgressPlan(IReadOnlyList<MoveTableSize> Tables, long Rows, long Bytes)
{
    /// <summary>What the move will not do.</summary>
    public IReadOnlyList<MoveFinding> Notes { get; init; } = [];
}

/// <summary>What the copy came to.</summary>
internal sealed record CopyResult(long Rows, long Bytes);

/// <summary>Lets a bounded number of moves go on per server, in the order in which they were asked for.</summary>
internal static class MoveTurn
{
    private const string EarlierSql = """
        SELECT count(*) FROM operations AS o
         WHERE o.type IN ('move', 'rollback') AND o.finished_at IS NULL AND o.id <> $1
           AND (o.step > 0 OR (o.created_at, o.id) < ($2, $1))
           AND ARRAY[o.input #>> '{from,server}', o.input #>> '{to,server}'] && ARRAY[$3, $4]
        """;

    public static async Task<bool> IsBusyAsync(
        MoveTools tools,
        Operation operation,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        await using var command = tools.Database.Source.CreateCommand(EarlierSql);
        command.Parameters.Add(SqlValue.Of(operation.Id));
        command.Parameters.Add(SqlValue.Of(operation.CreatedAt));
        command.Parameters.Add(SqlValue.Of(leg.From.Server));
        command.Parameters.Add(SqlValue.Of(leg.To.Server));
        return (long)(await command.ExecuteScalarAsync(cancellationToken))! >= tools.Options.MovesPerServer;
    }
}
