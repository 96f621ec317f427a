using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace TenantDocs.Catalog;

/// <summary>
/// How long this node believes what it has read of the catalog: long while its notifications arrive, a second while they do
/// not, and for a bounded time while the catalog does not answer at all, so that tenants are served on while it fails over.
/// Safe for concurrent use.
/// </summary>
public sealed partial class CatalogNews(
    IOptions<CatalogOptions> options,
    TimeProvider time,
    ILogger<CatalogNews> logger
)
{
    /// <summary>
    /// How many seconds a lookup on the way of a request may take. A connection to a server that went without a word would
    /// keep it, and the pool's slot, for half a minute by default, while the next server answers.
    /// </summary>
    internal const int LookupSeconds = 5;

    // A catalog that answers does so within milliseconds. Who waits longer is served with what is known.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly CatalogOptions _options = options.Value;
    private volatile bool _isListening;
    private volatile bool _hasHeard;
    private volatile bool _isAway;
    private int _asking;
    private long _heardUntil;

    /// <summary>
    /// Set by the listener: whether notifications arrive. What changes is forgotten then. That they have stopped is noticed
    /// by the next probe of their connection, a second or two later.
    /// </summary>
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
            if (value)
            {
                _hasHeard = true;
                SetAway(false);
            }
        }
    }

    /// <summary>Whether the catalog gave no answer when it was asked last.</summary>
    internal bool IsAway => _isAway;

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
    /// <param name="cancellationToken">Ends the waiting; the reading goes on, so that what it finds is remembered.</param>
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
            return await Begin(read, key).WaitAsync(cancellationToken);
        }

        if (_isAway)
        {
            _ = AskAsync(read, key);
            return known;
        }

        try
        {
            return await Begin(read, key).WaitAsync(Patience, time, cancellationToken);
        }
        catch (Exception e) when (IsSilence(e))
        {
            SetAway(true);
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
            Task asking = Begin(read, key);
            await asking.WaitAsync(Patience, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        finally
        {
            Interlocked.Exchange(ref _asking, 0);
        }
    }

    private Task<T> Begin<TKey, T>(Func<TKey, Task<T>> read, TKey key)
    {
        var reading = HearAsync(read(key));
        // Nobody may wait for its end any more.
        _ = reading.ContinueWith(
            r => _ = r.Exception,
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default
        );
        return reading;
    }

    // Any answer ends the absence, also one that comes late, and one that is a fault: who asks next meets it.
    private async Task<T> HearAsync<T>(Task<T> reading)
    {
        try
        {
            var read = await reading;
            SetAway(false);
            return read;
        }
        catch (Exception e) when (!IsSilence(e))
        {
            SetAway(false);
            throw;
        }
    }

    private void SetAway(bool isAway)
    {
        if (_isAway == isAway)
        {
            return;
        }

        _isAway = isAway;
        if (isAway)
        {
            Away(logger, _options.RouteLifetimeWithoutCatalog.TotalSeconds);
        }
        else
        {
            Back(logger);
        }
    }

    // No answer to what was asked, as opposed to one that is a fault: no connection, no time, or a server that is starting,
    // shutting down or has no connection left.
    private static bool IsSilence(Exception e) =>
        e switch
        {
            PostgresException answer => answer.SqlState
                is PostgresErrorCodes.AdminShutdown
                    or PostgresErrorCodes.CrashShutdown
                    or PostgresErrorCodes.CannotConnectNow
                    or PostgresErrorCodes.TooManyConnections,
            NpgsqlException { IsTransient: true } or TimeoutException or SocketException or IOException => true,
            NpgsqlException { InnerException: { } inner } => IsSilence(inner),
            _ => false,
        };

    [LoggerMessage(
        1011,
        LogLevel.Warning,
        "The catalog does not answer: tenants and API keys that this node knows are served on for {Seconds} s, others are not, and nothing can be changed."
    )]
    private static partial void Away(ILogger logger, double seconds);

    [LoggerMessage(1012, LogLevel.Information, "The catalog answers again.")]
    private static partial void Back(ILogger logger);
}
