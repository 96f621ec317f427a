using Microsoft.Extensions.Options;
using TenantDocs.Catalog;

namespace TenantDocs.Api.Http;

/// <summary>Who the caller is, and which tenant this is. Answered from what admission knows, so also for a suspended tenant.</summary>
internal static class WhoEndpoints
{
    public static void MapWho(this IEndpointRouteBuilder tenantApi)
    {
        tenantApi
            .MapGet("/me", Me)
            .Named("getMe", "Who you are, and what you may do")
            .WithTags("Tenant")
            .RequireNothing()
            .AllowWhenSuspended()
            .Answers<MeAnswer>();
        tenantApi
            .MapGet("/tenant", GetTenant)
            .Named("getTenant", "The tenant that you are in")
            .WithTags("Tenant")
            .RequireNothing()
            .AllowWhenSuspended()
            .AnswersTagged<TenantAnswer>();
    }

    private static IResult Me(TenantRequest tenant)
    {
        var caller = tenant.Caller;
        return Json.Result(
            new MeAnswer(
                caller.Kind,
                caller.Actor,
                caller.Name,
                caller.Role,
                caller.Scopes,
                [.. Permission.All.Values.Where(p => caller.Require(p) is null).Select(p => p.Name).Order()],
                tenant.Tenant.Slug,
                tenant.Tenant.Id.Value
            )
        );
    }

    private static IResult GetTenant(TenantRequest request, HttpRequest http, IOptions<TiersOptions> tiers)
    {
        var tenant = request.Tenant;
        if (Preconditions.IsNotModified(http, tenant.Version))
        {
            return Preconditions.NotModified(tenant.Version);
        }

        return Json.Result(
            new TenantAnswer(
                tenant.Id.Value,
                tenant.Slug,
                tenant.Name,
                tenant.Status,
                tenant.AccessMode,
                tenant.Tier,
                tiers.Value.LimitsOf(tenant.Tier),
                tiers.Value.TryGetValue(tenant.Tier, out var tier) ? [.. tier.Features] : [],
                tenant.Language,
                tenant.Region,
                tenant.CreatedAt
            ),
            etag: Preconditions.ETag(tenant.Version)
        );
    }

    private sealed record MeAnswer(
        CallerKind Kind,
        string Actor,
        string Name,
        Role Role,
        IReadOnlyList<string>? Scopes,
        IReadOnlyList<string> Permissions,
        string Tenant,
        Guid TenantId
    );

    private sealed record TenantAnswer(
        Guid Id,
        string Slug,
        string Name,
        TenantStatus Status,
        AccessMode AccessMode,
        string Tier,
        TierLimits Limits,
        IReadOnlyList<string> Features,
        string Language,
        string? Region,
        DateTimeOffset CreatedAt
    );
}
