using System.Diagnostics;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>Holds writes while the last changes arrive over the stream.</summary>
internal sealed class CutoverStep(MoveTools tools) : HoldStep(tools)
{
    private static readonly TimeSpan LongInComing = MoveFence.MostIdle / 2;

    protected override async Task<Pause> HoldAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        var run = Tools.Runs.Find(context.Operation.Id) is { IsVerified: true } ready ? ready : throw Interrupted();
        var (source, _) = await run.OpenPairAsync(cancellationToken);
        var marker = context.Kept<ReturnPath>(ReturnPath.Key)?.Start;
        var (access, reached) = await FenceAsync(leg, run, source, cancellationToken);
        var fenced = Stopwatch.GetElapsedTime(run.FencedAt);
        var fencedAt = Tools.Time.GetUtcNow() - fenced;
        // What another worker needs to go on is in what is committed; the other figures come with the next write.
        context.Keep(Pause.Key, new Pause(fencedAt, fenced.TotalMilliseconds, 0, 0, access, run.Link.Changes));
        await Tools.ReachAsync("Fenced", cancellationToken);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var writing = WriteAsync(context, leg, run, reached, limit.Token);
        var comparing = Task.CompletedTask;
        try
        {
            await WithinAsync(reached, "the last changes arrived", leg, run, cancellationToken);
            var drained = Stopwatch.GetElapsedTime(run.FencedAt);
            await Tools.ReachAsync("Drained", cancellationToken);
            comparing = run.CompareHeldAsync(access, marker, limit.Token);
            await WithinAsync(Task.WhenAll(comparing, writing), "they were compared", leg, run, cancellationToken);
            run.ComparedAt = Stopwatch.GetTimestamp();
            if (Stopwatch.GetElapsedTime(run.FencedAt, run.ComparedAt).TotalMilliseconds > leg.MaxPauseMs)
            {
                // The last moment at which that can be said: a commit that was sent cannot be taken back.
                throw new PauseExceededException("they were compared", null);
            }

            run.BeginLeaving();
            var compared = Stopwatch.GetElapsedTime(run.FencedAt, run.ComparedAt);
            return new Pause(
                fencedAt,
                fenced.TotalMilliseconds,
                (drained - fenced).TotalMilliseconds,
                (compared - drained).TotalMilliseconds,
                access,
                run.Link.Changes
            );
        }
        catch
        {
            await limit.CancelAsync();
            await Task.WhenAll(writing, comparing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    // The switch, not yet committed, while the last changes are on their way. Where they are long in coming it is taken back
    // and written once more when they are here: its transaction may not stand still for long, and holds the operation's row,
    // so that no heartbeat comes through.
    private static async Task WriteAsync(
        OperationContext context,
        MoveLeg leg,
        MoveRun run,
        Task reached,
        CancellationToken cancellationToken
    )
    {
        run.Completion ??= await context.OpenCompletionAsync(cancellationToken);
        await run.Completion.BeginAsync(Switch(leg, new CatalogWrites()), MoveFence.MostIdle, cancellationToken);
        if (await Task.WhenAny(reached, Task.Delay(LongInComing, cancellationToken)) == reached)
        {
            return;
        }

        await run.Completion.RollbackAsync();
        await reached.WaitAsync(cancellationToken);
        await run.Completion.BeginAsync(Switch(leg, new CatalogWrites()), MoveFence.MostIdle, cancellationToken);
    }
}
