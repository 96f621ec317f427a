using System.Collections.Concurrent;
using TenantDocs.Isolation;

namespace TenantDocs.Catalog;

/// <summary>
/// What this node knows of tenants: snapshots of the catalog, forgotten when it notifies a change
/// (<see cref="CatalogListener"/>) and read again after a while (<see cref="CatalogNews"/>). Unknown names are not remembered.
/// </summary>
public sealed class TenantRoutes : ITenantRoutes
{
    private readonly TenantCatalog _catalog;
    private readonly CatalogNews _news;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<TenantId, Entry> _byId = new();
    private readonly ConcurrentDictionary<string, TenantId> _bySlug = new(StringComparer.Ordinal);
    private readonly SharedReads<TenantId, Tenant?> _reads;
    private readonly Func<string, Task<Tenant?>> _loadBySlug;
    private readonly Func<TenantId, Task<Tenant?>> _refresh;
    private long _forgets;

    /// <summary>Knows nothing yet.</summary>
    public TenantRoutes(TenantCatalog catalog, CatalogNews news, TimeProvider time)
    {
        (_catalog, _news, _time) = (catalog, news, time);
        _reads = new SharedReads<TenantId, Tenant?>(LoadAsync);
        (_loadBySlug, _refresh) = (
            slug => LoadBySlugAsync(slug, CancellationToken.None),
            id => RefreshAsync(id, CancellationToken.None)
        );
    }

    /// <summary>A tenant by slug; null when there is none.</summary>
    public ValueTask<Tenant?> FindBySlugAsync(string slug, CancellationToken cancellationToken)
    {
        if (_bySlug.TryGetValue(slug, out var id) && _byId.TryGetValue(id, out var known) && known.Tenant.Slug == slug)
        {
            return _news.IsFresh(known.ReadAt)
                ? new ValueTask<Tenant?>(known.Tenant)
                : _news.ReadAsync(_loadBySlug, slug, known.Tenant, known.ReadAt, cancellationToken);
        }

        return new ValueTask<Tenant?>(LoadBySlugAsync(slug, cancellationToken));
    }

    /// <summary>A tenant by id; null when there is none.</summary>
    public ValueTask<Tenant?> FindAsync(TenantId id, CancellationToken cancellationToken) =>
        !_byId.TryGetValue(id, out var known) ? new ValueTask<Tenant?>(RefreshAsync(id, cancellationToken))
        : _news.IsFresh(known.ReadAt) ? new ValueTask<Tenant?>(known.Tenant)
        : _news.ReadAsync(_refresh, id, known.Tenant, known.ReadAt, cancellationToken);

    /// <inheritdoc />
    public Task<Tenant?> RefreshAsync(TenantId tenant, CancellationToken cancellationToken) =>
        _reads.ReadAsync(tenant, cancellationToken);

    /// <summary>Forgets one tenant, so that the next request reads the catalog.</summary>
    public void Forget(TenantId tenant)
    {
        Interlocked.Increment(ref _forgets);
        _byId.TryRemove(tenant, out _);
    }

    /// <summary>Forgets everything: after notifications may have been missed.</summary>
    public void ForgetAll()
    {
        Interlocked.Increment(ref _forgets);
        _byId.Clear();
        _bySlug.Clear();
    }

    private async Task<Tenant?> LoadAsync(TenantId id)
    {
        var forgets = Interlocked.Read(ref _forgets);
        var readAt = _time.GetTimestamp();
        return Remember(await _catalog.FindAsync(id, CancellationToken.None), readAt, forgets);
    }

    private async Task<Tenant?> LoadBySlugAsync(string slug, CancellationToken cancellationToken)
    {
        var forgets = Interlocked.Read(ref _forgets);
        var readAt = _time.GetTimestamp();
        var tenant = Remember(await _catalog.FindBySlugAsync(slug, cancellationToken), readAt, forgets);
        if (tenant is null)
        {
            _bySlug.TryRemove(slug, out _);
        }

        return tenant;
    }

    private Tenant? Remember(Tenant? tenant, long readAt, long forgets)
    {
        if (tenant is not null)
        {
            _byId[tenant.Id] = new Entry(tenant, readAt);
            if (tenant.Status is not TenantStatus.Purged)
            {
                // A purged tenant is still found by id; its slug may be another tenant's by now.
                _bySlug[tenant.Slug] = tenant.Id;
            }

            // A notification that came while the query ran may have been about what the query did not see yet.
            if (Interlocked.Read(ref _forgets) != forgets)
            {
                _byId.TryRemove(tenant.Id, out _);
            }
        }

        return tenant;
    }

    // The age counts from before the query was sent: what changed while it ran is then not older than the lifetime.
    private readonly record struct Entry(Tenant Tenant, long ReadAt);
}
