using System.Diagnostics;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>Holds writes while the last changes arrive over the stream.</summary>
internal sealed class CutoverStep(MoveTools tools) : HoldStep(tools)
{
    protected override async Task<Pause> HoldAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        var run = Tools.Runs.Find(context.Operation.Id) is { IsVerified: true } ready ? ready : throw Interrupted();
        var (source, _) = run.Pair;
        var (access, reached) = await FenceAsync(leg, run, source, cancellationToken);
        var fenced = Stopwatch.GetElapsedTime(run.FencedAt);
        var fencedAt = Tools.Time.GetUtcNow() - fenced;
        await Tools.ReachAsync("Fenced", cancellationToken);
        await WithinAsync(reached, "the last changes arrived", leg, run, cancellationToken);
        var drained = Stopwatch.GetElapsedTime(run.FencedAt);
        await Tools.ReachAsync("Drained", cancellationToken);
        await WithinAsync(run.CompareHeldAsync(cancellationToken), "they were compared", leg, run, cancellationToken);
        var compared = Stopwatch.GetElapsedTime(run.FencedAt);
        return new Pause(
            fencedAt,
            fenced.TotalMilliseconds,
            (drained - fenced).TotalMilliseconds,
            (compared - drained).TotalMilliseconds,
            access,
            run.Link.Changes
        );
    }
}
