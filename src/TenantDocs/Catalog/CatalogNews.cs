using System.Net.Sockets;
using Microsoft.Extensions.Options;
using Npgsql;

namespace TenantDocs.Catalog;

/// <summary>
/// How long this node believes what it has read of the catalog: long while its notifications arrive, a second while they do
/// not, and for a bounded time while the catalog does not answer at all, so that tenants are served on while it fails over.
/// Safe for concurrent use.
/// </summary>
public sealed class CatalogNews(IOptions<CatalogOptions> options, TimeProvider time)
{
    // A catalog that answers does so within milliseconds. Who waits longer is served with what is known.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly CatalogOptions _options = options.Value;
    private volatile bool _isListening;
    private volatile bool _isAway;
    private int _asking;
    private long _heardUntil;
    private volatile bool _hasHeard;

    /// <summary>Set by the listener: whether notifications arrive. What changes is forgotten then.</summary>
    internal bool IsListening
    {
        get => _isListening;
        set
        {
            if (_isListening && !value)
            {
                Interlocked.Exchange(ref _heardUntil, time.GetTimestamp());
            }

            _isListening = value;
            (_hasHeard, _isAway) = (_hasHeard || value, _isAway && !value);
        }
    }

    /// <summary>Whether what this node knew, while it heard, is believed even where the catalog does not answer.</summary>
    public bool IsBelievedWithoutCatalog => _hasHeard && IsBelievedSince(0);

    /// <summary>Whether what was read then is still believed without asking.</summary>
    internal bool IsFresh(long readAt) =>
        time.GetElapsedTime(readAt)
        < (_isListening ? _options.RouteLifetime : _options.RouteLifetimeWithoutNotifications);

    /// <summary>Reads the catalog anew; where it does not answer, what was read before, if that is young enough.</summary>
    /// <param name="read">Reads, and remembers what it has read.</param>
    /// <param name="key">What is read.</param>
    /// <param name="known">What was read before.</param>
    /// <param name="readAt">When that was.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    internal async ValueTask<T> ReadAsync<TKey, T>(
        Func<TKey, Task<T>> read,
        TKey key,
        T known,
        long readAt,
        CancellationToken cancellationToken
    )
    {
        if (!IsBelievedSince(readAt))
        {
            return await read(key).WaitAsync(cancellationToken);
        }

        if (_isAway)
        {
            _ = AskAsync(read, key);
            return known;
        }

        try
        {
            return await read(key).WaitAsync(Patience, time, cancellationToken);
        }
        catch (Exception e) when (IsSilence(e))
        {
            _isAway = true;
            return known;
        }
    }

    // It was true for as long as changes of it would have been heard.
    private bool IsBelievedSince(long readAt)
    {
        var trueAt = Math.Max(readAt, Interlocked.Read(ref _heardUntil));
        return (_isListening ? TimeSpan.Zero : time.GetElapsedTime(trueAt)) < _options.RouteLifetimeWithoutCatalog;
    }

    // One at a time, and nobody waits for it.
    private async Task AskAsync<TKey, T>(Func<TKey, Task<T>> read, TKey key)
    {
        if (Interlocked.Exchange(ref _asking, 1) == 1)
        {
            return;
        }

        try
        {
            await read(key);
            _isAway = false;
        }
        catch (Exception e) when (IsSilence(e))
        {
            // Still away.
        }
        finally
        {
            Interlocked.Exchange(ref _asking, 0);
        }
    }

    // No answer, as opposed to one that is a fault.
    private static bool IsSilence(Exception e) =>
        e is NpgsqlException { IsTransient: true } or TimeoutException or SocketException or IOException
        || e is NpgsqlException { InnerException: { } inner } && IsSilence(inner);
}
