using TenantDocs.Catalog;

namespace TenantDocs.Api.Http;

/// <summary>A proven credential: who speaks, and for which tenant.</summary>
/// <param name="Caller">Who speaks.</param>
/// <param name="TenantId">The tenant, where the credential names it by id.</param>
/// <param name="TenantSlug">The tenant, where the credential names it by slug.</param>
/// <param name="Tenants">The tenants that the credential's issuer may speak for (slugs or ids); null = any.</param>
internal sealed record Credential(
    Caller Caller,
    TenantId? TenantId,
    string? TenantSlug,
    IReadOnlyCollection<string>? Tenants
);
