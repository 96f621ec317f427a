using System.ComponentModel.DataAnnotations;

namespace TenantDocs.Catalog;

/// <summary>Settings of the section <c>Catalog</c>.</summary>
public sealed class CatalogOptions
{
    /// <summary>Leads the names of the platform's databases on every server. Default <c>tenantdocs</c>.</summary>
    [RegularExpression("^[a-z][a-z0-9_]{0,19}$")]
    public string DatabasePrefix { get; set; } = "tenantdocs";

    /// <summary>
    /// From which the passwords of the platform's roles are derived, on servers that are registered from now on.
    /// Default: a random one per server, kept in the catalog.
    /// </summary>
    public string? RoleSecret { get; set; }

    /// <summary>
    /// How long a cached route or API key is believed while the catalog's notifications arrive (their connection is probed
    /// every second). Default 5 minutes: with ten thousand tenants in use, 30 s made every third request read the catalog.
    /// </summary>
    public TimeSpan RouteLifetime { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long it is believed while they do not. Default 1 s: a change is effective on every node within 2 s.</summary>
    public TimeSpan RouteLifetimeWithoutNotifications { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long it is believed while the catalog does not answer at all: tenants whose servers are there are served while
    /// it fails over. Default 1 minute; 0 = no longer than without notifications. Nothing can be changed through this node
    /// meanwhile. What another node changes that does reach the catalog: a move and a ban on writes hold here at once, by the
    /// fence in the tenant's database; a revoked key, and the reads of a suspended tenant, end here after that time.
    /// </summary>
    public TimeSpan RouteLifetimeWithoutCatalog { get; set; } = TimeSpan.FromMinutes(1);
}

/// <summary>One entry of the section <c>Servers</c>: a PostgreSQL cluster that holds tenants.</summary>
public sealed class ServerOptions
{
    /// <summary>How an administrator connects: may create roles and databases.</summary>
    [Required]
    public string ConnectionString { get; set; } = "";

    /// <summary>Where it is. Default <c>default</c>.</summary>
    public string Region { get; set; } = "default";

    /// <summary>How many tenants it is meant to hold. Default 10,000.</summary>
    [Range(1, 10_000_000)]
    public int Capacity { get; set; } = 10_000;
}
