using System.Diagnostics;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>Holds the tenant's writes while everything is copied and compared: where changes cannot be streamed, or the tenant is small.</summary>
internal sealed class FencedCopyStep(MoveTools tools) : HoldStep(tools)
{
    protected override async Task<Pause> HoldAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        var run = await Tools.RunAsync(context, leg, cancellationToken);
        var (source, _) = await run.OpenPairAsync(cancellationToken);
        var (access, _) = await FenceAsync(leg, run, source, cancellationToken);
        var fenced = Stopwatch.GetElapsedTime(run.FencedAt);
        var fencedAt = Tools.Time.GetUtcNow() - fenced;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var copying = CopyAsync(context, run, limit.Token);
        try
        {
            await WithinAsync(copying, "all was copied", leg, run, cancellationToken);
        }
        catch
        {
            await limit.CancelAsync();
            await copying.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        var copied = Stopwatch.GetElapsedTime(run.FencedAt) - fenced;
        return new Pause(fencedAt, fenced.TotalMilliseconds, copied.TotalMilliseconds, 0, access, 0);
    }

    private async Task CopyAsync(OperationContext context, MoveRun run, CancellationToken cancellationToken)
    {
        await using (var snapshot = await run.SnapshotAsync(run.Leg.Source, cancellationToken))
        {
            await CopyRows.CopyAsync(Tools, context, run, snapshot, cancellationToken);
        }

        var tables = await run.VerifyHeldAsync(cancellationToken);
        context.Keep("verification", tables);
        VerifyStep.EnsureEqual(tables);
    }
}
