using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace TenantDocs.Catalog;

/// <summary>
/// The API keys that this node has seen, forgotten when the catalog notifies a change and read again after a while, so that
/// a revoked key is refused within 2 s, or, where the catalog does not answer, after what <see cref="CatalogNews"/> allows.
/// Unknown keys are not remembered. Also notes when keys are used.
/// </summary>
public sealed class ApiKeyRing
{
    private const int MostEntries = 50_000;
    private static readonly TimeSpan UsePrecision = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<ApiKeyHash, Entry> _byHash = new();
    private readonly ConcurrentDictionary<Guid, ApiKeyHash> _byId = new();
    private readonly ConcurrentQueue<Entry> _used = new();
    private readonly ApiKeys _keys;
    private readonly CatalogNews _news;
    private readonly TimeProvider _time;
    private readonly Func<ApiKeyHash, Task<ApiKey?>> _load;
    private long _forgets;

    /// <summary>Knows no key yet.</summary>
    public ApiKeyRing(ApiKeys keys, CatalogNews news, TimeProvider time)
    {
        (_keys, _news, _time) = (keys, news, time);
        _load = hash => LoadAsync(hash, CancellationToken.None);
    }

    /// <summary>The key, if it may be used now; null when it is unknown, revoked or has expired.</summary>
    public ValueTask<ApiKey?> FindAsync(ApiKeyHash hash, CancellationToken cancellationToken) =>
        !_byHash.TryGetValue(hash, out var known) ? new ValueTask<ApiKey?>(LoadAsync(hash, cancellationToken))
        : _news.IsFresh(known.ReadAt) ? new ValueTask<ApiKey?>(Use(known))
        : _news.ReadAsync(_load, hash, IsOver(known) ? null : known.Key, known.ReadAt, cancellationToken);

    /// <summary>Forgets one key, so that its next use reads the catalog.</summary>
    public void Forget(Guid id)
    {
        Interlocked.Increment(ref _forgets);
        if (_byId.TryRemove(id, out var hash))
        {
            _byHash.TryRemove(hash, out _);
        }
    }

    /// <summary>Forgets everything: after notifications may have been missed.</summary>
    public void ForgetAll()
    {
        Interlocked.Increment(ref _forgets);
        _byHash.Clear();
        _byId.Clear();
    }

    /// <summary>Writes down the uses since the last call.</summary>
    internal async Task WriteUsesAsync(CancellationToken cancellationToken)
    {
        var uses = new Dictionary<Guid, DateTimeOffset>();
        while (uses.Count < 1000 && _used.TryDequeue(out var entry))
        {
            uses[entry.Key.Id] = new DateTimeOffset(Interlocked.Read(ref entry.UsedAt), TimeSpan.Zero);
        }

        if (uses.Count > 0)
        {
            await _keys.TouchAsync(uses, cancellationToken);
        }
    }

    private async Task<ApiKey?> LoadAsync(ApiKeyHash hash, CancellationToken cancellationToken)
    {
        var forgets = Interlocked.Read(ref _forgets);
        var readAt = _time.GetTimestamp();
        if (await _keys.FindAsync(hash, cancellationToken) is not { } key)
        {
            _byHash.TryRemove(hash, out _);
            return null;
        }

        if (_byHash.Count >= MostEntries)
        {
            ForgetAll();
        }

        var entry = new Entry(key, readAt, key.LastUsedAt?.UtcTicks ?? 0);
        _byHash[hash] = entry;
        _byId[key.Id] = hash;
        // A notification that came while the query ran may have been about what the query did not see yet.
        if (Interlocked.Read(ref _forgets) != forgets)
        {
            _byHash.TryRemove(hash, out _);
        }

        return Use(entry);
    }

    private bool IsOver(Entry entry) => entry.Key.ExpiresAt <= _time.GetUtcNow();

    private ApiKey? Use(Entry entry)
    {
        if (IsOver(entry))
        {
            return null;
        }

        var now = _time.GetUtcNow();
        var before = Interlocked.Read(ref entry.UsedAt);
        if (
            now.UtcTicks - before >= UsePrecision.Ticks
            && Interlocked.CompareExchange(ref entry.UsedAt, now.UtcTicks, before) == before
        )
        {
            _used.Enqueue(entry);
        }

        return entry.Key;
    }

    // The age counts from before the query was sent.
    private sealed class Entry(ApiKey key, long readAt, long usedAt)
    {
        public readonly ApiKey Key = key;
        public readonly long ReadAt = readAt;
        public long UsedAt = usedAt;
    }
}

/// <summary>Writes down when keys were used, behind the requests' backs: once a second for all, once a minute for each.</summary>
internal sealed partial class ApiKeyUses(ApiKeyRing ring, TimeProvider time, ILogger<ApiKeyUses> logger)
    : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    await ring.WriteUsesAsync(stoppingToken);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // Only a hint for people; the next use of the key after a minute tries again.
                    NotWritten(logger, e);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The host stops.
        }
    }

    [LoggerMessage(1010, LogLevel.Warning, "When API keys were last used could not be written down.")]
    private static partial void NotWritten(ILogger logger, Exception exception);
}
