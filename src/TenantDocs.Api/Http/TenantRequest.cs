using TenantDocs.Catalog;

namespace TenantDocs.Api.Http;

/// <summary>
/// A request whose caller was proven, whose tenant is agreed on and may be served. A handler of the tenant API takes it as
/// a parameter; there is no other way to a tenant, so a handler cannot forget the checks.
/// </summary>
/// <param name="Tenant">The tenant as this node knows it.</param>
/// <param name="Caller">Who asks.</param>
internal sealed record TenantRequest(Tenant Tenant, Caller Caller)
{
    /// <summary>Binds a handler's parameter.</summary>
    public static ValueTask<TenantRequest?> BindAsync(HttpContext context) => new(Of(context));

    /// <summary>The request that was admitted.</summary>
    /// <exception cref="InvalidOperationException">The endpoint is not one of the tenant API.</exception>
    public static TenantRequest Of(HttpContext context) =>
        context.Features.Get<TenantRequest>()
        ?? throw new InvalidOperationException("This endpoint is not part of the tenant API.");
}

/// <summary>A request by staff. A handler of the admin API takes it as a parameter.</summary>
/// <param name="Caller">Who asks.</param>
internal sealed record StaffRequest(Caller Caller)
{
    /// <summary>Binds a handler's parameter.</summary>
    public static ValueTask<StaffRequest?> BindAsync(HttpContext context) => new(Of(context));

    /// <summary>The request that was admitted.</summary>
    /// <exception cref="InvalidOperationException">The endpoint is not one of the admin API.</exception>
    public static StaffRequest Of(HttpContext context) =>
        context.Features.Get<StaffRequest>()
        ?? throw new InvalidOperationException("This endpoint is not part of the admin API.");
}
