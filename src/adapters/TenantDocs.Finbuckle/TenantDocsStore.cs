using Finbuckle.MultiTenant.Abstractions;
using TenantDocs.Catalog;

namespace TenantDocs.Finbuckle;

/// <summary>
/// Finbuckle's store over the TenantDocs catalog: an application that resolves tenants with Finbuckle's strategies gets
/// TenantDocs' tenants, and with them its isolation. Read-only: tenants are provisioned by TenantDocs, so the three
/// writing methods answer false, which is Finbuckle's word for "not done".
/// </summary>
/// <remarks>
/// A resolved tenant is a selection, not an authorisation: Finbuckle takes the first strategy that answers. Check the
/// caller's own tenant claim against it, as the TenantDocs host does.
/// </remarks>
public sealed class TenantDocsStore(TenantRoutes routes, TenantCatalog catalog)
    : IMultiTenantStore<TenantDocsTenantInfo>
{
    private const int PageSize = 200;

    /// <inheritdoc />
    public async Task<TenantDocsTenantInfo?> GetByIdentifierAsync(string identifier) =>
        TenantSlug.TryParse(identifier, out var slug)
            ? Wrap(await routes.FindBySlugAsync(slug.Value, CancellationToken.None))
            : null;

    /// <inheritdoc />
    public async Task<TenantDocsTenantInfo?> GetAsync(string id) =>
        Guid.TryParse(id, out var value) && value != Guid.Empty
            ? Wrap(await routes.FindAsync(new TenantId(value), CancellationToken.None))
            : null;

    /// <inheritdoc />
    public async Task<IEnumerable<TenantDocsTenantInfo>> GetAllAsync()
    {
        var all = new List<TenantDocsTenantInfo>();
        await foreach (var tenant in ReadAllAsync())
        {
            all.Add(new TenantDocsTenantInfo(tenant));
        }

        return all;
    }

    /// <inheritdoc />
    public async Task<IEnumerable<TenantDocsTenantInfo>> GetAllAsync(int take, int skip)
    {
        var page = new List<TenantDocsTenantInfo>();
        await foreach (var tenant in ReadAllAsync())
        {
            if (page.Count == take)
            {
                break;
            }

            if (skip-- <= 0)
            {
                page.Add(new TenantDocsTenantInfo(tenant));
            }
        }

        return page;
    }

    /// <inheritdoc />
    public Task<bool> AddAsync(TenantDocsTenantInfo tenantInfo) => Task.FromResult(false);

    /// <inheritdoc />
    public Task<bool> UpdateAsync(TenantDocsTenantInfo tenantInfo) => Task.FromResult(false);

    /// <inheritdoc />
    public Task<bool> RemoveAsync(string identifier) => Task.FromResult(false);

    private static TenantDocsTenantInfo? Wrap(Tenant? tenant) =>
        tenant is null ? null : new TenantDocsTenantInfo(tenant);

    private async IAsyncEnumerable<Tenant> ReadAllAsync()
    {
        var filter = new TenantFilter { Limit = PageSize };
        while (true)
        {
            var page = await catalog.ListAsync(filter, CancellationToken.None);
            foreach (var tenant in page)
            {
                yield return tenant;
            }

            if (page.Count < PageSize)
            {
                yield break;
            }

            filter = filter with { After = (page[^1].CreatedAt, page[^1].Id.Value) };
        }
    }
}
