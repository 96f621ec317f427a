using System.Diagnostics;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>Behind the point of no return: the source lets nobody in, then the target serves. Only forward from here.</summary>
internal sealed class ActivateStep(MoveTools tools) : MoveStep(tools)
{
    public override string Phase => "active";

    public override bool Cancellable => false;

    public override StepFailure OnFailure => StepFailure.KeepTrying;

    // Nobody serves the tenant until this is done: a server that comes back is found at once.
    public override TimeSpan? MaxRetryDelay => TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// First the source closes, then the target opens: a reader that has not heard of the move yet must not be shown the
    /// state before a write that somebody else's request already saw.
    /// </summary>
    internal static async Task<double> ArriveAsync(
        MoveTools tools,
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        var pause = context.Kept<Pause>(Pause.Key)!;
        var marker = context.Kept<ReturnPath>(ReturnPath.Key)?.Start;
        var run = tools.Runs.Find(context.Operation.Id);
        if (run is { IsLeaving: true } && !context.MayHaveRun)
        {
            var committed = Stopwatch.GetTimestamp();
            await run.LeaveAsync();
            var left = Stopwatch.GetTimestamp();
            await tools.ReachAsync("Left", cancellationToken);
            await run.ArriveAsync();
            await tools.ReachAsync("Opened", cancellationToken);
            var arrived = Stopwatch.GetTimestamp();
            tools.Routes.Forget(leg.TenantId);
            run.Door?.Dispose();
            context.Keep(
                SwitchTimes.Key,
                new SwitchTimes(
                    Stopwatch.GetElapsedTime(run.ComparedAt, committed).TotalMilliseconds,
                    Stopwatch.GetElapsedTime(committed, left).TotalMilliseconds,
                    Stopwatch.GetElapsedTime(left, arrived).TotalMilliseconds
                )
            );
            // Before the step is done: an opening that a crash took back is then made again.
            await run.FlushArrivalAsync(cancellationToken);
            return Stopwatch.GetElapsedTime(run.FencedAt, arrived).TotalMilliseconds;
        }

        await tools.Runs.ReleaseAsync(context.Operation.Id);
        await using (var source = await tools.OpenAsync(leg, leg.Source, cancellationToken))
        {
            await MoveFence.LeaveAsync(source, leg, cancellationToken);
        }

        await using (var target = await tools.OpenAsync(leg, leg.Target, cancellationToken))
        {
            // Once more does no harm, but a second marker would: what was written between the two would be lost to the way back.
            var open = await MoveFence.ReadAsync(target, leg.TenantId, cancellationToken);
            var again = open is { State: "active" } && open.Value.Epoch == leg.To.Epoch;
            await MoveFence.ArriveAsync(target, leg, pause.Access, again ? null : marker, cancellationToken);
        }

        tools.Routes.Forget(leg.TenantId);
        return (tools.Time.GetUtcNow() - pause.FencedAt).TotalMilliseconds;
    }

    // The tenant is served: a source that is away now holds up neither it nor the moves that wait for their turn.
    private async Task RemoveStreamAsync(OperationContext context, MoveLeg leg, CancellationToken cancellationToken)
    {
        try
        {
            await Tools.Streams.RemoveAsync(leg.Link, leg.Source, cancellationToken);
        }
        catch (Exception e) when (OperationFaults.IsTransient(e) && !cancellationToken.IsCancellationRequested)
        {
            MoveLog.KeptUnreachable(Tools.Logger, e, leg.Tenant);
            context.Keep(RetentionInput.LeftStreamKey, true);
        }
    }

    protected override async Task<StepOutcome> DoAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        if (context.Kept<double?>("writePauseMs") is null)
        {
            context.Keep("writePauseMs", await ArriveAsync(Tools, context, leg, cancellationToken));
            await Tools.ReachAsync("Arrived", cancellationToken);
            // Whatever follows fails or is repeated without touching the tenant: it is served.
            await context.SaveAsync(cancellationToken);
        }

        await Tools.Runs.ReleaseAsync(context.Operation.Id);
        await RemoveStreamAsync(context, leg, cancellationToken);
        if (await Tools.Catalog.FindAsync(leg.TenantId, cancellationToken) is { } tenant)
        {
            // The condition may have changed during the pause.
            await Tools.Fence.AlignAsync(tenant, cancellationToken);
        }

        if (leg.UnderFence)
        {
            // Not earlier: writes were held.
            await Tools.Target.AnalyzeAsync(leg.Target, cancellationToken);
        }

        return StepOutcome.Done;
    }
}

/// <summary>What the end of the pause was made of; not known of a switch that another worker ended.</summary>
/// <param name="CommitMs">From the comparison until the catalog named the target.</param>
/// <param name="LeaveMs">Until the source had closed.</param>
/// <param name="ArriveMs">Until the target served.</param>
internal sealed record SwitchTimes(double CommitMs, double LeaveMs, double ArriveMs)
{
    public const string Key = "switch";
}
