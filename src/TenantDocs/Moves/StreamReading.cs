namespace TenantDocs.Moves;

/// <summary>
/// Reads a stream one event ahead, and tells whether the next one is there already. Ends only after a read that is on its
/// way has ended: Npgsql pools what its reads are made of, and one that is abandoned comes up again in another's place.
/// </summary>
internal sealed class StreamReading : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop;
    private readonly IAsyncEnumerator<StreamEvent> _events;
    private Task<bool>? _pending;
    private bool? _ready;

    public StreamReading(ChangeStream stream, CancellationToken cancellationToken)
    {
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _events = stream.ReadAsync(_stop.Token).GetAsyncEnumerator(_stop.Token);
    }

    public StreamEvent Current => _events.Current;

    /// <summary>True when <see cref="MoveNextAsync"/> will not wait. Begins to read the next event, so the current one must be done with.</summary>
    public bool HasNext
    {
        get
        {
            Begin();
            return _ready is not null || _pending!.IsCompleted;
        }
    }

    /// <summary>Goes to the next event; false at the end.</summary>
    public async ValueTask<bool> MoveNextAsync()
    {
        Begin();
        var more = _ready ?? await _pending!;
        _ready = null;
        _pending = null;
        return more;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        if (_pending is { } pending)
        {
            await ((Task)pending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await _events.DisposeAsync();
        _stop.Dispose();
    }

    private void Begin()
    {
        if (_ready is null && _pending is null)
        {
            var next = _events.MoveNextAsync();
            if (next.IsCompletedSuccessfully)
            {
                _ready = next.Result;
            }
            else
            {
                _pending = next.AsTask();
            }
        }
    }
}
