using TenantDocs.Catalog;

namespace TenantDocs.Isolation;

/// <summary>What a node knows of where tenants live. A cache: the fence in the tenant's database is what is right.</summary>
public interface ITenantRoutes
{
    /// <summary>The catalog's newest word on a tenant, past every cache; null when the tenant is gone.</summary>
    /// <remarks>Concurrent calls for one tenant share one query.</remarks>
    public Task<Tenant?> RefreshAsync(TenantId tenant, CancellationToken cancellationToken);
}
