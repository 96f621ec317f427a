using Finbuckle.MultiTenant.Abstractions;
using TenantDocs.Catalog;

namespace TenantDocs.Finbuckle;

/// <summary>A TenantDocs tenant as Finbuckle.MultiTenant knows tenants: <c>Id</c> is the UUID, <c>Identifier</c> the slug.</summary>
/// <param name="Tenant">The snapshot that the engine works with; hand it to <c>TenantSessions</c>.</param>
public sealed record TenantDocsTenantInfo(Tenant Tenant) : ITenantInfo
{
    /// <inheritdoc />
    public string Id => Tenant.Id.ToString();

    /// <inheritdoc />
    public string Identifier => Tenant.Slug;
}
