using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;
using TenantDocs.Catalog;

namespace TenantDocs.Moves;

/// <summary>One direction of change capture: which slot is read, where its changes go.</summary>
/// <param name="Id">Identity of the stream's progress on the target.</param>
/// <param name="Tenant">Whose rows.</param>
/// <param name="From">The side that is written to.</param>
/// <param name="To">The side that follows.</param>
/// <param name="Slot">Replication slot on <paramref name="From"/>'s server.</param>
/// <param name="Publication">Publication in <paramref name="From"/>'s database.</param>
internal sealed record LinkSpec(
    Guid Id,
    TenantId Tenant,
    Placement From,
    Placement To,
    string Slot,
    string Publication
);

/// <summary>
/// A running stream from one side of a move to the other. Reconnects by itself; ends for good when the sides are found
/// to differ or another mover took over. Markers written to the source tell how far the target is: nothing polls.
/// </summary>
internal sealed partial class MoveLink : IAsyncDisposable
{
    private const string SlotInvalidated = PostgresErrorCodes.ObjectNotInPrerequisiteState;
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(100);

    private readonly MoveConnections _connections;
    private readonly LinkSpec _spec;
    private readonly IReadOnlyList<MoveTable> _target;
    private readonly Guid _start;
    private readonly long _token;
    private readonly Func<string, CancellationToken, ValueTask> _reach;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _fault = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<Guid, TaskCompletionSource> _awaited = new();
    private readonly ConcurrentDictionary<Guid, StreamPause> _pauses = new();
    private readonly Task _running;
    private readonly Task _beating;
    private readonly DirtyKeys _touched = new();
    private readonly StreamLag _lag = new();
    private bool _records;
    private long _changes;

    /// <summary>Starts the stream.</summary>
    /// <param name="connections">The move's connections.</param>
    /// <param name="spec">What to read, where to write.</param>
    /// <param name="target">The target's tables.</param>
    /// <param name="start">Everything that was committed before this marker is on the target already.</param>
    /// <param name="token">The mover's fencing token.</param>
    /// <param name="reach">Called with the names of places at which a test can interrupt the stream.</param>
    /// <param name="logger">Log.</param>
    public MoveLink(
        MoveConnections connections,
        LinkSpec spec,
        IReadOnlyList<MoveTable> target,
        Guid start,
        long token,
        Func<string, CancellationToken, ValueTask> reach,
        ILogger logger
    )
    {
        _reach = reach;
        _connections = connections;
        _spec = spec;
        _target = target;
        _start = start;
        _token = token;
        _logger = logger;
        _running = Task.Run(RunAsync);
        _beating = Task.Run(BeatAsync);
    }

    /// <summary>Rows that the stream changed on the target.</summary>
    public long Changes => Interlocked.Read(ref _changes);

    /// <summary>How far the target is behind the source; maximal before anything is known.</summary>
    public TimeSpan Lag => _lag.Current;

    /// <summary>
    /// Keys whose changes are on the target and were not compared since. Noted after the commit there: whoever takes keys
    /// out and reads the rows afterwards reads them with those changes.
    /// </summary>
    public DirtyKeys Dirty { get; } = new();

    /// <summary>Ends (faulted) when the stream ended for good.</summary>
    public Task Faulted => _fault.Task;

    /// <summary>Call before the marker is written: the answer ends when all that was committed before it is on the target.</summary>
    public Task Await(Guid marker)
    {
        var awaited = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _awaited[marker] = awaited;
        return Task.WhenAny(awaited.Task, _fault.Task).Unwrap();
    }

    /// <summary>Call before the marker is written: the stream stops exactly behind it until the pause is disposed.</summary>
    public StreamPause PauseAt(Guid marker)
    {
        var pause = new StreamPause(_fault.Task);
        _pauses[marker] = pause;
        return pause;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        foreach (var pause in _pauses.Values)
        {
            pause.Dispose();
        }

        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _beating.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _fault.TrySetException(new OperationCanceledException("The stream was stopped."));
        _ = _fault.Task.Exception;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var pause = TimeSpan.FromMilliseconds(50);
        while (!_stop.IsCancellationRequested)
        {
            var started = Stopwatch.GetTimestamp();
            try
            {
                await ConnectAndFollowAsync(_stop.Token);
                throw new EndOfStreamException("The server ended the stream.");
            }
            catch (Exception) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (IsFinal(e))
            {
                _fault.TrySetException(e);
                return;
            }
            catch (Exception e)
            {
                StreamInterrupted(_logger, e, _spec.Tenant.Value);
                pause =
                    Stopwatch.GetElapsedTime(started) > TimeSpan.FromSeconds(10)
                        ? TimeSpan.FromMilliseconds(50)
                        : pause * 2;
                pause = pause < TimeSpan.FromSeconds(2) ? pause : TimeSpan.FromSeconds(2);
                await Task.Delay(pause, CancellationToken.None);
            }
        }
    }

    private async Task ConnectAndFollowAsync(CancellationToken cancellationToken)
    {
        await using var target = await _connections.OpenReplicaAsync(_spec.To, cancellationToken);
        await using var source = await _connections.OpenReplicationAsync(_spec.From, cancellationToken);
        var applier = new ChangeApplier(target, _spec.Tenant, _spec.Id, _token);
        // Of a batch whose answer was lost nobody knows whether it is on the target: it is compared again.
        Dirty.Add(_touched.Take());
        var applied = await applier.TakeAsync(cancellationToken);
        var stream = new ChangeStream(source, _spec.Slot, _spec.Publication, _target);
        await DiskFullException.OnAsync(_spec.To.Server, FollowAsync(stream, applier, applied, cancellationToken));
    }

    private async Task FollowAsync(
        ChangeStream stream,
        ChangeApplier applier,
        NpgsqlLogSequenceNumber applied,
        CancellationToken cancellationToken
    )
    {
        var markers = new List<Guid>();
        var following = applied != NpgsqlLogSequenceNumber.Invalid;
        var inTransaction = false;
        var isNew = false;
        var end = applied;
        await using var events = new StreamReading(stream, cancellationToken);
        while (true)
        {
            if (!events.HasNext && applier.HasWork && !inTransaction)
            {
                // Nothing more has arrived: what was gathered goes now. While it is committed, more gathers.
                await CommitAsync(stream, applier, end, cancellationToken);
            }

            if (!await NextAsync(events))
            {
                return;
            }

            switch (events.Current)
            {
                case StreamBegin begin:
                    inTransaction = true;
                    _lag.Reach(begin.CommittedAt);
                    // After a reconnect the slot begins again behind what was acknowledged, not behind what was applied.
                    isNew = following && begin.CommitLsn >= applied;
                    break;
                case RowChange change when isNew:
                    await applier.AddAsync(change, cancellationToken);
                    if (_records)
                    {
                        _touched.Add(change);
                    }

                    Interlocked.Increment(ref _changes);
                    break;
                case StreamMarker marker:
                    markers.Add(marker.Id);
                    break;
                case StreamCommit commit:
                    inTransaction = false;
                    end = commit.Lsn;
                    var starts = !following && markers.Contains(_start);
                    following |= starts;
                    if (starts || (applier.HasWork && (markers.Count > 0 || applier.IsFull)))
                    {
                        await CommitAsync(stream, applier, end, cancellationToken);
                    }
                    else if (!applier.HasWork)
                    {
                        stream.Acknowledge(end);
                    }

                    await ReachAsync(markers, following, cancellationToken);
                    markers.Clear();
                    break;
            }
        }
    }

    private async ValueTask<bool> NextAsync(StreamReading events)
    {
        try
        {
            return await events.MoveNextAsync();
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.DiskFull)
        {
            throw new DiskFullException(_spec.From.Server, e);
        }
    }

    private async Task CommitAsync(
        ChangeStream stream,
        ChangeApplier applier,
        NpgsqlLogSequenceNumber end,
        CancellationToken cancellationToken
    )
    {
        await applier.CommitAsync(end, cancellationToken);
        await _reach("Applied", cancellationToken);
        if (_touched.Count > 0)
        {
            Dirty.Add(_touched.Take());
        }

        // Only now: what is acknowledged is never sent again.
        stream.Acknowledge(end);
    }

    private async ValueTask ReachAsync(List<Guid> markers, bool following, CancellationToken cancellationToken)
    {
        foreach (var marker in markers)
        {
            if (following && _pauses.TryRemove(marker, out var pause))
            {
                // All is compared at this marker; before the first such one there is nothing to remember.
                Dirty.Take();
                _records = true;
                await pause.StopAsync(cancellationToken);
            }

            _lag.Reach(marker, counts: following);
            if (following && _awaited.TryRemove(marker, out var awaited))
            {
                awaited.TrySetResult();
            }
        }
    }

    // A quiet tenant writes nothing, so nothing would be acknowledged and the server would keep its log for ever.
    private async Task BeatAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await using var source = await _connections.OpenAsync(_spec.From, _stop.Token);
                await using var now = new NpgsqlCommand("SELECT clock_timestamp()", source);
                _lag.Set((DateTime)(await now.ExecuteScalarAsync(_stop.Token))!);
                while (!_fault.Task.IsCompleted)
                {
                    // Sent whether or not the one before has arrived: so the lag is known while it is long.
                    await Marker.EmitAsync(source, _lag.Send(), _stop.Token);
                    await Task.Delay(Beat, _stop.Token);
                }

                return;
            }
            catch (Exception) when (_stop.IsCancellationRequested || _fault.Task.IsCompleted)
            {
                return;
            }
            catch (Exception e)
            {
                StreamInterrupted(_logger, e, _spec.Tenant.Value);
                await Task.Delay(Beat, CancellationToken.None);
            }
        }
    }

    // What no repetition cures: another mover, a server's no, a slot that is gone or whose log was removed (55000).
    internal static bool IsFinal(Exception e) =>
        e is MoveFaultException or DiskFullException
        || e is PostgresException { SqlState: PostgresErrorCodes.DiskFull or SlotInvalidated }
        || e
            is PostgresException
            {
                IsTransient: false,
                // The server goes down or comes up, or a former mover's connection still holds the slot.
                SqlState: not (
                    PostgresErrorCodes.AdminShutdown
                    or PostgresErrorCodes.CrashShutdown
                    or PostgresErrorCodes.CannotConnectNow
                    or PostgresErrorCodes.ObjectInUse
                )
            };

    [LoggerMessage(5001, LogLevel.Warning, "The stream of changes was interrupted and begins again (tenant {Tenant}).")]
    private static partial void StreamInterrupted(ILogger logger, Exception exception, Guid tenant);
}
