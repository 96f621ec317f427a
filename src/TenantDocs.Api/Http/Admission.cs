using Microsoft.Extensions.Options;
using TenantDocs.Catalog;

namespace TenantDocs.Api.Http;

/// <summary>
/// Decides who gets to an endpoint, in this order: a good credential, of the right audience; agreement on one tenant;
/// permission; the tenant's limits; its condition; the query's names. Each refusal tells nothing about what comes after it.
/// </summary>
internal sealed class Admission(
    RequestDelegate next,
    Credentials credentials,
    TenantRoutes routes,
    TenantLimits limits,
    IOptions<TiersOptions> tiers
)
{
    public Task InvokeAsync(HttpContext context) =>
        context.GetEndpoint() is not { } endpoint ? next(context)
        : endpoint.Metadata.GetMetadata<ForAudience>() is { } audience
            ? audience.Audience switch
            {
                Audience.Tenant => AdmitTenantAsync(context, endpoint),
                Audience.Staff => AdmitStaffAsync(context, endpoint),
                _ => next(context),
            }
        // The framework's own endpoints (405, 415) have no pattern; one of ours without an audience is a mistake.
        : endpoint is RouteEndpoint
            ? throw new InvalidOperationException($"The endpoint {endpoint.DisplayName} does not say for whom it is.")
        : next(context);

    private async Task AdmitTenantAsync(HttpContext context, Endpoint endpoint)
    {
        if (await credentials.FindAsync(context) is not { } credential)
        {
            await ChallengeAsync(context);
            return;
        }

        SetHeaders(context);
        var agreed = await AgreeAsync(context, credential);
        if (agreed.Error is { } refused)
        {
            await (
                ReferenceEquals(refused, TenantConditions.Unauthenticated)
                    ? ChallengeAsync(context)
                    : Problems.WriteAsync(context, refused)
            );
            return;
        }

        var tenant = agreed.Value;
        if (Refuse(context, endpoint, tenant, credential.Caller) is { } error)
        {
            await Problems.WriteAsync(context, error);
            return;
        }

        using var place = limits.TakePlace(tenant.Id, tiers.Value.LimitsOf(tenant.Tier));
        if (place is { IsAcquired: false })
        {
            await Problems.WriteAsync(context, TenantLimits.TooMany("The tenant has too many requests at once."));
            return;
        }

        context.Features.Set(new TenantRequest(tenant, credential.Caller));
        await next(context);
    }

    private async ValueTask<Result<Tenant>> AgreeAsync(HttpContext context, Credential credential)
    {
        if (credential.Caller.IsStaff)
        {
            return TenantConditions.TenantOnly;
        }

        var tenant = credential.TenantId is { } id
            ? await routes.FindAsync(id, context.RequestAborted)
            : await routes.FindBySlugAsync(credential.TenantSlug!, context.RequestAborted);
        if (tenant is null)
        {
            // Whose issuer speaks for some tenants only does not learn which others there are.
            return credential.Tenants is null ? TenantConditions.NotFound : TenantConditions.Unauthenticated;
        }

        if (credential.Tenants is { } bound && !bound.Contains(tenant.Slug) && !bound.Contains(tenant.Id.ToString()))
        {
            return TenantConditions.Unauthenticated; // the issuer may not speak for this tenant
        }

        var choice = context.Features.Get<ChosenTenant>()?.Choice;
        return choice is null || choice.Value.Agrees(tenant.Slug) ? tenant : TenantConditions.NotFound;
    }

    private Error? Refuse(HttpContext context, Endpoint endpoint, Tenant tenant, Caller caller)
    {
        var permission = endpoint.Metadata.GetMetadata<Permission>();
        if (permission is null && endpoint.Metadata.GetMetadata<ForEveryMember>() is null)
        {
            throw SaysNoPermission(endpoint);
        }

        if (permission is not null && caller.Require(permission) is { } forbidden)
        {
            return forbidden;
        }

        if (limits.TakeRate(context, tenant.Id, tiers.Value.LimitsOf(tenant.Tier)) is { } limited)
        {
            return limited;
        }

        var method = context.Request.Method;
        var reads = permission is { IsRead: true } || HttpMethods.IsGet(method) || HttpMethods.IsHead(method);
        var isAllowedWhenSuspended = endpoint.Metadata.GetMetadata<AllowedWhenSuspended>() is not null;
        return TenantConditions.Refuse(tenant, !reads, isAllowedWhenSuspended) ?? RefuseQuery(context, endpoint);
    }

    private static Error? RefuseQuery(HttpContext context, Endpoint endpoint) =>
        RequestQuery.Refuse(context.Request, endpoint.Metadata.GetMetadata<QueryParameters>()?.All ?? []);

    private async Task AdmitStaffAsync(HttpContext context, Endpoint endpoint)
    {
        if (await credentials.FindAsync(context) is not { } credential)
        {
            await ChallengeAsync(context);
            return;
        }

        SetHeaders(context);
        if (!credential.Caller.IsStaff)
        {
            await Problems.WriteAsync(context, TenantConditions.StaffOnly);
            return;
        }

        var permission = endpoint.Metadata.GetMetadata<Permission>() ?? throw SaysNoPermission(endpoint);
        if ((credential.Caller.Require(permission) ?? RefuseQuery(context, endpoint)) is { } error)
        {
            await Problems.WriteAsync(context, error);
            return;
        }

        context.Features.Set(new StaffRequest(credential.Caller));
        await next(context);
    }

    private static InvalidOperationException SaysNoPermission(Endpoint endpoint) =>
        new($"The endpoint {endpoint.DisplayName} does not say who may use it.");

    private static Task ChallengeAsync(HttpContext context)
    {
        context.Response.Headers.WWWAuthenticate = "Bearer realm=\"tenantdocs\"";
        return Problems.WriteAsync(context, TenantConditions.Unauthenticated);
    }

    private static void SetHeaders(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.CacheControl = "private, no-cache";
        headers.Vary = "Authorization";
    }
}
