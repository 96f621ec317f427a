using TenantDocs.Catalog;

namespace TenantDocs.Cli.Catalog;

/// <summary>A tenant as JSON: the shape of the admin API.</summary>
internal static class TenantShape
{
    public static object Of(Tenant tenant) =>
        new
        {
            Id = tenant.Id.Value,
            tenant.Slug,
            tenant.Name,
            tenant.Tier,
            tenant.Status,
            tenant.AccessMode,
            Placement = new
            {
                tenant.Placement.Isolation,
                tenant.Placement.Server,
                Database = tenant.Placement.Database.Name,
                Schema = tenant.Placement.Schema.Name,
                tenant.Placement.Epoch,
            },
            tenant.Region,
            tenant.Language,
            tenant.SchemaVersion,
            tenant.SuspendReason,
            tenant.PurgeAt,
            tenant.CreatedAt,
            tenant.ActiveOperation,
        };

    /// <summary>The tenant of that slug, or words why there is none.</summary>
    public static async Task<Tenant> NeedAsync(
        this TenantCatalog catalog,
        string slug,
        CancellationToken cancellationToken
    ) =>
        await catalog.FindBySlugAsync(slug, cancellationToken)
        ?? throw new CommandException($"There is no tenant '{slug}'. See: tenantdocs tenant list");
}
