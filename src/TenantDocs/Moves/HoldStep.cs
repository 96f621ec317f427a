using System.Diagnostics;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>What the pause was made of.</summary>
/// <param name="FencedAt">When writes began to wait.</param>
/// <param name="LockMs">Until the fence stood.</param>
/// <param name="DrainMs">Until all that was written before was on the target.</param>
/// <param name="CompareMs">Until what had changed last was compared.</param>
/// <param name="Access">What the fence let in.</param>
/// <param name="Changes">Changes streamed.</param>
internal sealed record Pause(
    DateTimeOffset FencedAt,
    double LockMs,
    double DrainMs,
    double CompareMs,
    string Access,
    long Changes
)
{
    public const string Key = "pause";
}

/// <summary>
/// The pause: hold the tenant's writes, let the last ones arrive, compare them. Its completion is the point of no return:
/// the step and the route change in one transaction of the catalog, or neither.
/// </summary>
internal abstract class HoldStep(MoveTools tools) : MoveStep(tools)
{
    private const string RouteChanged = "TD023";
    private const double MaxLockWaitMs = 50;

    private const string CommitSql = $"""
        WITH moved AS (
            UPDATE placements
               SET isolation = $3, server = $4, database_name = $5, schema_name = $6, epoch = $7
             WHERE tenant_id = $1 AND epoch = $2
            RETURNING 1),
        changed AS (
            UPDATE tenants SET tier = coalesce($8, tier), version = version + 1, updated_at = now() WHERE id = $1)
        SELECT require((SELECT count(*) FROM moved) = 1, '{RouteChanged}', 'the route has changed')
        """;

    public override string Phase => "fenced";

    public override bool Cancellable => false;

    public override async Task UndoAsync(OperationContext context, CancellationToken cancellationToken)
    {
        var leg = context.Input<MoveLeg>();
        if (!await MoveAbort.AbortAsync(Tools, context, leg, cancellationToken))
        {
            await ActivateStep.ArriveAsync(Tools, context, leg, cancellationToken);
        }
    }

    protected override async Task<StepOutcome> DoAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        if (context.MayHaveRun)
        {
            throw Interrupted();
        }

        Pause pause;
        try
        {
            pause = await HoldAsync(context, leg, cancellationToken);
        }
        catch (PauseExceededException e)
        {
            await ReleaseAsync(context);
            throw new TimeoutException(
                $"Writes would have waited longer than maxWritePauseMs ({leg.MaxPauseMs} ms) until {e.Message}.",
                e
            );
        }
        catch
        {
            await ReleaseAsync(context);
            throw;
        }

        context.Keep(Pause.Key, pause);
        if (context.Early is not { IsBegun: true })
        {
            Switch(leg, context.OnCompletion);
        }

        return StepOutcome.Done;
    }

    /// <summary>Adds the switch of the route.</summary>
    internal static CatalogWrites Switch(MoveLeg leg, CatalogWrites writes) =>
        writes.Add(
            CommitSql,
            SqlValue.Of(leg.Tenant),
            SqlValue.Of(leg.From.Epoch),
            SqlValue.Of(leg.To.Isolation.ToText()),
            SqlValue.Of(leg.To.Server),
            SqlValue.Of(leg.To.Database),
            SqlValue.Of(leg.To.Schema),
            SqlValue.Of(leg.To.Epoch),
            SqlValue.Of(leg.Tier)
        );

    private async Task ReleaseAsync(OperationContext context)
    {
        if (Tools.Runs.Find(context.Operation.Id) is { } run)
        {
            await run.ReleasePauseAsync();
        }
    }

    /// <summary>Holds the tenant's writes and returns when both sides are equal.</summary>
    /// <exception cref="PauseExceededException">Writes would wait too long.</exception>
    protected abstract Task<Pause> HoldAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    );

    /// <summary>Waits for a part of the pause within what is left of its budget.</summary>
    protected static async Task WithinAsync(
        Task part,
        string until,
        MoveLeg leg,
        MoveRun run,
        CancellationToken cancellationToken
    )
    {
        var left = TimeSpan.FromMilliseconds(leg.MaxPauseMs) - Stopwatch.GetElapsedTime(run.FencedAt);
        try
        {
            await part.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, cancellationToken);
        }
        catch (TimeoutException e) when (e is not PauseExceededException)
        {
            throw new PauseExceededException(until, e);
        }
    }

    /// <summary>
    /// Tries for the tenant's lock in short attempts: behind a long transaction the tenant's other writers would wait in
    /// line with the fence.
    /// </summary>
    protected async Task<(string Access, Task Reached)> FenceAsync(
        MoveLeg leg,
        MoveRun run,
        Npgsql.NpgsqlConnection source,
        CancellationToken cancellationToken
    )
    {
        var wait = TimeSpan.FromMilliseconds(Math.Clamp(leg.MaxPauseMs / 5.0, 5, MaxLockWaitMs));
        var started = Stopwatch.GetTimestamp();
        var rest = TimeSpan.FromMilliseconds(100);
        var door = run.Door = Tools.Doors.Place(leg.TenantId);
        while (true)
        {
            if (Stopwatch.GetElapsedTime(started) > Tools.Options.Patience)
            {
                throw new TimeoutException(
                    "Writes could not be held for a short time: a long transaction, or a late stream."
                );
            }

            if (!leg.UnderFence)
            {
                // While the lock was waited for, or the steps before took their time, the writers went on.
                await run.EnsureSameTablesAsync(cancellationToken);
                await run.NarrowAsync(cancellationToken);
                if (await run.SendCanaryAsync(cancellationToken) > ReadyStep.CanaryBudget(leg, started))
                {
                    continue;
                }
            }

            var marker = Guid.NewGuid();
            var reached = leg.UnderFence ? Task.CompletedTask : run.Link.Await(marker);
            run.FencedAt = Stopwatch.GetTimestamp();
            door.Close(TimeSpan.FromMilliseconds(leg.MaxPauseMs + 100));
            if (await TryFenceAsync(source, leg, marker, wait, cancellationToken) is { } access)
            {
                run.ReleaseWriters();
                return (access, reached);
            }

            door.Open();
            await Task.Delay(rest, Tools.Time, cancellationToken);
            rest = rest < TimeSpan.FromSeconds(1) ? rest * 2 : rest;
        }
    }

    // A source that does not answer may hold the writes already: the budget counts from here.
    private static async Task<string?> TryFenceAsync(
        Npgsql.NpgsqlConnection source,
        MoveLeg leg,
        Guid marker,
        TimeSpan wait,
        CancellationToken cancellationToken
    )
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(leg.MaxPauseMs);
        try
        {
            return await MoveFence.TryFenceAsync(source, leg, marker, wait, limit.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PauseExceededException("the source answered", e);
        }
    }

    protected static OperationFailedException Interrupted() =>
        new(
            new Error(
                ErrorKind.Unavailable,
                "move-interrupted",
                "The move was interrupted while it switched; it was taken back and the source serves on. Ask for it again."
            )
        );
}

/// <summary>The pause would have been longer than its budget.</summary>
/// <param name="until">What writes waited for when the budget was spent.</param>
/// <param name="inner">Cause.</param>
internal sealed class PauseExceededException(string until, Exception? inner) : TimeoutException(until, inner);
