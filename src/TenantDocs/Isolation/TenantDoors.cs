using System.Collections.Concurrent;
using TenantDocs.Catalog;

namespace TenantDocs.Isolation;

/// <summary>
/// Lets a move ask the requests of one tenant in this process to step aside for milliseconds, and wakes them when they
/// may go on. For speed only: what is right is decided by the fences, which requests of other processes meet alone.
/// </summary>
public sealed class TenantDoors
{
    private readonly ConcurrentDictionary<TenantId, TenantDoor> _doors = new();

    /// <summary>Puts a door before a tenant's units of work until it is disposed.</summary>
    internal TenantDoor Place(TenantId tenant)
    {
        var door = new TenantDoor(gone => _doors.TryRemove(new KeyValuePair<TenantId, TenantDoor>(tenant, gone)));
        if (_doors.TryRemove(tenant, out var former))
        {
            former.Dispose();
        }

        _doors[tenant] = door;
        return door;
    }

    /// <summary>The door before a tenant; null, as nearly always, when there is none.</summary>
    internal TenantDoor? Find(TenantId tenant) => _doors.GetValueOrDefault(tenant);
}

/// <summary>Before a tenant's units of work: open, then closed to writes.</summary>
/// <remarks>
/// While writes are held, the tenant's reads leave the processors to the switch that they would have to wait for at its end.
/// </remarks>
internal sealed class TenantDoor(Action<TenantDoor> remove) : IDisposable
{
    private const int ReadersWhileClosed = 1;

    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Queue<TaskCompletionSource<bool>> _writes = new();
    private readonly Queue<TaskCompletionSource<bool>> _reads = new();
    private Timer? _expiry;
    private int _reading;
    private bool _closed;

    /// <summary>Ends when the door is gone.</summary>
    public Task Gone => _gone.Task;

    /// <summary>Holds writes, and all but few reads, from now on, and at most that long: whoever closed it may be gone.</summary>
    public void Close(TimeSpan atMost)
    {
        lock (_lock)
        {
            _closed = true;
            _expiry ??= new Timer(_ => Dispose());
            _expiry.Change(atMost, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Lets go on what was held.</summary>
    public void Open()
    {
        lock (_lock)
        {
            _closed = false;
            _expiry?.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            Admit();
        }
    }

    /// <summary>Waits for a turn, at most that long: then the fence decides alone.</summary>
    public async ValueTask<DoorPass> EnterAsync(
        SessionMode mode,
        TimeSpan atMost,
        TimeProvider time,
        CancellationToken cancellationToken
    )
    {
        TaskCompletionSource<bool> turn;
        lock (_lock)
        {
            if (_gone.Task.IsCompleted)
            {
                return new DoorPass(null, mode, IsGone: true);
            }

            if (HasRoom(mode))
            {
                Count(mode, 1);
                return new DoorPass(this, mode, IsGone: false);
            }

            turn = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            (mode is SessionMode.Write ? _writes : _reads).Enqueue(turn);
        }

        try
        {
            var admitted = await turn.Task.WaitAsync(atMost, time, cancellationToken);
            return new DoorPass(admitted ? this : null, mode, IsGone: !admitted);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            if (!turn.TrySetCanceled(CancellationToken.None) && await turn.Task)
            {
                Leave(mode); // the turn came in the same moment
            }

            cancellationToken.ThrowIfCancellationRequested();
            return new DoorPass(null, mode, IsGone: false);
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        remove(this);
        lock (_lock)
        {
            _expiry?.Dispose();
            _gone.TrySetResult();
            foreach (var turn in _reads.Concat(_writes))
            {
                turn.TrySetResult(false);
            }

            _reads.Clear();
            _writes.Clear();
        }
    }

    internal void Leave(SessionMode mode)
    {
        lock (_lock)
        {
            Count(mode, -1);
            Admit();
        }
    }

    private bool HasRoom(SessionMode mode) => !_closed || (mode is SessionMode.Read && _reading < ReadersWhileClosed);

    private void Count(SessionMode mode, int change)
    {
        _reading += mode is SessionMode.Read ? change : 0;
    }

    private void Admit()
    {
        Admit(_writes, SessionMode.Write);
        Admit(_reads, SessionMode.Read);
    }

    private void Admit(Queue<TaskCompletionSource<bool>> waiting, SessionMode mode)
    {
        while (HasRoom(mode) && waiting.TryDequeue(out var turn))
        {
            // Those that gave up a moment ago are passed over.
            if (turn.TrySetResult(true))
            {
                Count(mode, 1);
            }
        }
    }
}

/// <summary>A unit of work's way through a door; disposing it lets the next one in.</summary>
/// <param name="Door">Null where nothing has to be given back.</param>
/// <param name="Mode">As what it went through.</param>
/// <param name="IsGone">The door went away while the work waited: the tenant may live elsewhere now.</param>
internal readonly record struct DoorPass(TenantDoor? Door, SessionMode Mode, bool IsGone) : IDisposable
{
    public void Dispose() => Door?.Leave(Mode);
}
