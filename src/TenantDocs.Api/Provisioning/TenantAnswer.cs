using TenantDocs.Api.Http;
using TenantDocs.Catalog;

namespace TenantDocs.Api.Provisioning;

/// <summary>Where a tenant lives, as staff sees it.</summary>
internal sealed record PlacementAnswer(
    IsolationModel Isolation,
    string Server,
    string Database,
    string Schema,
    long Epoch
);

/// <summary>A tenant as staff sees it.</summary>
internal sealed record TenantAnswer(
    Guid Id,
    string Slug,
    string Name,
    string Tier,
    TenantStatus Status,
    AccessMode AccessMode,
    PlacementAnswer Placement,
    int SchemaVersion,
    DateTimeOffset CreatedAt,
    Guid? ActiveOperation,
    string? Region,
    string Language,
    string? SuspendReason,
    DateTimeOffset? PurgeAt
)
{
    public static TenantAnswer Of(Tenant tenant) =>
        new(
            tenant.Id.Value,
            tenant.Slug,
            tenant.Name,
            tenant.Tier,
            tenant.Status,
            tenant.AccessMode,
            new PlacementAnswer(
                tenant.Placement.Isolation,
                tenant.Placement.Server,
                tenant.Placement.Database.Name,
                tenant.Placement.Schema.Name,
                tenant.Placement.Epoch
            ),
            tenant.SchemaVersion,
            tenant.CreatedAt,
            tenant.ActiveOperation,
            tenant.Region,
            tenant.Language,
            tenant.SuspendReason,
            tenant.PurgeAt
        );

    /// <summary>The answer with the tenant's ETag.</summary>
    public static IResult Result(Tenant tenant, int status = StatusCodes.Status200OK, string? location = null) =>
        Json.Result(Of(tenant), status, Preconditions.ETag(tenant.Version), location);
}
