using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Operations;

/// <summary>
/// Takes operations from the queue and carries them out, a bounded number at a time. Any number of workers, in any
/// process, may run: a lease says who holds an operation, and whoever dies loses it after
/// <see cref="OperationOptions.LeaseTime"/>, or after half of it where its server has seen its connections end.
/// </summary>
public sealed partial class OperationWorker(
    CatalogDatabase catalog,
    OperationTypes types,
    OperationNotices notices,
    FailPoints failPoints,
    IOptions<OperationOptions> options,
    TimeProvider time,
    ILogger<OperationWorker> logger
) : BackgroundService
{
    // SKIP LOCKED: workers that look at the same moment take different rows. A lease that ran out counts as an attempt,
    // so that an operation which kills its workers is not tried for ever. A lease is as good as run out at its half when its
    // holder has no session any more (OperationNotices): a worker that only connects anew goes on with its heartbeats, which
    // come at every third.
    private const string Take = $"""
        WITH next AS (
            SELECT id FROM operations
             WHERE status IN {OperationRows.Unfinished} AND run_after <= now()
               AND (lease_until IS NULL OR lease_until < now()
                    OR lease_until < now() + make_interval(secs => $4 / 2) AND NOT EXISTS (
                        SELECT FROM pg_locks AS l
                         WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
                           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                           AND (l.classid::bigint << 32) | l.objid::bigint
                               = hashtextextended('tenantdocs worker ' || lease_owner::text, 0)))
               AND type = ANY ($1)
             ORDER BY run_after LIMIT $2 FOR UPDATE SKIP LOCKED)
        UPDATE operations AS o
           SET lease_owner = $3, lease_token = o.lease_token + 1, lease_until = now() + make_interval(secs => $4),
               status = CASE WHEN o.status = 'cancelling' THEN o.status ELSE 'running' END,
               started_at = coalesce(o.started_at, now()),
               attempts = o.attempts + CASE WHEN o.lease_until IS NULL THEN 0 ELSE 1 END
          FROM next WHERE o.id = next.id
        RETURNING {OperationRows.Columns}
        """;

    private readonly OperationOptions _options = options.Value;
    private readonly SemaphoreSlim _short = new(options.Value.Workers);
    private readonly SemaphoreSlim _long = new(options.Value.LongWorkers);
    private readonly ConcurrentDictionary<Guid, Task<Operation?>> _running = new();
    private CancellationToken _stopping = new(canceled: true);

    /// <summary>Who this worker is in leases.</summary>
    public Guid Id => notices.Worker;

    /// <inheritdoc />
    public override void Dispose()
    {
        base.Dispose();
        _short.Dispose();
        _long.Dispose();
    }

    /// <summary>
    /// Reserves room to begin an operation at once, without a way through the queue; null when this worker is not
    /// running or busy. The caller passes it to <see cref="Begin"/> or releases it.
    /// </summary>
    internal SemaphoreSlim? TryReserve(OperationType type)
    {
        var room = type.IsLong ? _long : _short;
        return !_stopping.IsCancellationRequested && room.Wait(0) ? room : null;
    }

    /// <summary>Carries out a taken operation in reserved room. The task never fails; null: it ended without an answer.</summary>
    internal Task<Operation?> Begin(Operation taken, SemaphoreSlim room)
    {
        var task = Task.Run(() => HoldAsync(taken, room), CancellationToken.None);
        _running[taken.Id] = task;
        _ = task.ContinueWith(
            _ => _running.TryRemove(taken.Id, out var _),
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default
        );
        return task;
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!_options.Enabled)
        {
            return;
        }

        using var work = notices.Subscribe(OperationNotices.Work);
        while (!stoppingToken.IsCancellationRequested)
        {
            var more = false;
            try
            {
                if (catalog.IsOpen)
                {
                    _stopping = stoppingToken;
                    more = await TakeAsync(_short, false) | await TakeAsync(_long, true);
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                QueueUnreachable(logger, e);
            }
            catch (OperationCanceledException)
            {
                break;
            }

            if (!more)
            {
                var pause = catalog.IsOpen ? _options.PollInterval : TimeSpan.FromMilliseconds(20);
                await work.WaitAsync(pause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        // Those that are under way give their leases back, so that nobody has to wait for them to run out.
        await Task.WhenAll(_running.Values);
    }

    // Returns true when there may be more to take.
    private async Task<bool> TakeAsync(SemaphoreSlim room, bool isLong)
    {
        var names = types.Names(isLong);
        var free = 0;
        while (names.Length > 0 && free < 4 && room.Wait(0))
        {
            free++;
        }

        var taken = new List<Operation>();
        try
        {
            if (free > 0)
            {
                await ReadTakenAsync(taken, names, free);
            }
        }
        finally
        {
            if (free > taken.Count)
            {
                room.Release(free - taken.Count);
            }

            taken.ForEach(o => _ = Begin(o, room));
        }

        return taken.Count == free && free > 0;
    }

    private async Task ReadTakenAsync(List<Operation> taken, string[] names, int limit)
    {
        await using var command = catalog.Source.CreateCommand(Take);
        command.Parameters.Add(SqlValue.Of(names));
        command.Parameters.Add(SqlValue.Of(limit));
        command.Parameters.Add(SqlValue.Of(Id));
        command.Parameters.Add(new Npgsql.NpgsqlParameter<double> { TypedValue = _options.LeaseTime.TotalSeconds });
        await using var reader = await command.ExecuteReaderAsync(_stopping);
        while (await reader.ReadAsync(_stopping))
        {
            taken.Add(OperationRows.Read(reader));
        }
    }

    private async Task<Operation?> HoldAsync(Operation taken, SemaphoreSlim room)
    {
        try
        {
            var lease = new OperationLease(catalog, taken.Id, taken.LeaseToken, _options.LeaseTime);
            using var context = new OperationContext(lease, taken, notices, time);
            var runner = new OperationRunner(types[taken.Type], context, failPoints, _options, time, logger);
            return await HoldAsync(taken, context, runner);
        }
        catch (LeaseLostException)
        {
            LeaseLost(logger, taken.Type, taken.Id);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Released below; another worker goes on.
        }
        catch (Exception e)
        {
            Interrupted(logger, e, taken.Type, taken.Id);
        }
        finally
        {
            await LetGoAsync(taken);
            room.Release();
            notices.Wake(OperationNotices.Work);
        }

        return null;
    }

    private async Task LetGoAsync(Operation taken)
    {
        try
        {
            await types[taken.Type].OnLetGoAsync(taken);
        }
        catch (Exception e)
        {
            Interrupted(logger, e, taken.Type, taken.Id);
        }
    }

    private async Task<Operation?> HoldAsync(Operation taken, OperationContext context, OperationRunner runner)
    {
        using var hold = CancellationTokenSource.CreateLinkedTokenSource(_stopping);
        var beat = BeatAsync(context, runner, hold);
        try
        {
            // Token 1 is the first lease ever; a step that waited was left in good order.
            var resumed = taken.LeaseToken > 1;
            var ended = await runner.RunAsync(resumed, hold.Token);
            // One that waits is looked at again every so often, for an hour after each move: that is no news.
            if (ended.IsFinished)
            {
                Ended(logger, taken.Type, taken.Id, ended.Status.ToText(), ended.Tenant?.Value);
            }

            return ended;
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            await ReleaseAsync(context);
            throw;
        }
        catch (OperationCanceledException) when (hold.IsCancellationRequested)
        {
            throw new LeaseLostException();
        }
        finally
        {
            await context.RollbackAsync();
            await hold.CancelAsync();
            await beat;
        }
    }

    // Heartbeats until the end. When they stop coming through for a whole lease, somebody else may hold it: stop then.
    private async Task BeatAsync(OperationContext context, OperationRunner runner, CancellationTokenSource hold)
    {
        using var notice = notices.Subscribe(OperationNotices.HolderOf(context.Operation.Id));
        var last = time.GetTimestamp();
        while (!hold.IsCancellationRequested)
        {
            await notice
                .WaitAsync(_options.LeaseTime / 3, hold.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                if (!hold.IsCancellationRequested)
                {
                    // A catalog that is silent answers neither yes nor no: the lease ends all the same.
                    var left = _options.LeaseTime - time.GetElapsedTime(last);
                    var held = await context
                        .HeartbeatAsync(hold.Token)
                        .WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, time, hold.Token);
                    if (!held)
                    {
                        await hold.CancelAsync();
                        return;
                    }

                    last = time.GetTimestamp();
                    runner.CancelStep();
                }
            }
            catch (Exception e) when (!hold.IsCancellationRequested)
            {
                HeartbeatFailed(logger, e, context.Operation.Id);
                if (e is TimeoutException || time.GetElapsedTime(last) >= _options.LeaseTime)
                {
                    await hold.CancelAsync();
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task ReleaseAsync(OperationContext context)
    {
        try
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2));
            await context.WriteAsync(o => o, new CatalogWrites(), false, TimeSpan.Zero, limit.Token);
        }
        catch (Exception e)
        {
            // The lease runs out by itself.
            HeartbeatFailed(logger, e, context.Operation.Id);
        }
    }

    [LoggerMessage(7003, LogLevel.Information, "Operation {Type} {Operation}: {Status} (tenant {Tenant}).")]
    private static partial void Ended(ILogger logger, string type, Guid operation, string status, Guid? tenant);

    [LoggerMessage(
        7004,
        LogLevel.Warning,
        "Operation {Type} {Operation} was taken over by another worker; this one wrote nothing more."
    )]
    private static partial void LeaseLost(ILogger logger, string type, Guid operation);

    [LoggerMessage(
        7005,
        LogLevel.Error,
        "Operation {Type} {Operation} was interrupted; it is resumed when its lease runs out."
    )]
    private static partial void Interrupted(ILogger logger, Exception exception, string type, Guid operation);

    [LoggerMessage(7006, LogLevel.Warning, "Operation {Operation}: a heartbeat did not come through.")]
    private static partial void HeartbeatFailed(ILogger logger, Exception exception, Guid operation);

    [LoggerMessage(7007, LogLevel.Error, "The queue of operations cannot be read; trying again.")]
    private static partial void QueueUnreachable(ILogger logger, Exception exception);
}
