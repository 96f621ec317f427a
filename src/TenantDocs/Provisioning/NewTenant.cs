using TenantDocs.Catalog;
using TenantDocs.Database;

namespace TenantDocs.Provisioning;

/// <summary>A tenant to make.</summary>
/// <param name="Slug">Its name in hosts and paths.</param>
/// <param name="Name">Its name for people.</param>
public sealed record NewTenant(TenantSlug Slug, string Name)
{
    /// <summary>Tier; absent: the first with <see cref="Isolation"/>, else the first of all.</summary>
    public string? Tier { get; init; }

    /// <summary>Model; absent: the tier's.</summary>
    public IsolationModel? Isolation { get; init; }

    /// <summary>Server; absent: the tier's, else the one with most room.</summary>
    public string? Server { get; init; }

    /// <summary>Region that the data must stay in.</summary>
    public string? Region { get; init; }

    /// <summary>Text search configuration. Default <c>english</c>.</summary>
    public string Language { get; init; } = "english";
}

/// <summary>What a provisioning was asked to make; kept with the operation.</summary>
/// <param name="Tenant">Identity.</param>
/// <param name="Slug">Slug.</param>
/// <param name="Isolation">Model.</param>
/// <param name="Server">Server.</param>
/// <param name="Database">Database.</param>
/// <param name="Schema">Schema.</param>
/// <param name="Epoch">Epoch.</param>
/// <param name="Again">An earlier try failed and may have left something.</param>
internal sealed record ProvisionInput(
    Guid Tenant,
    string Slug,
    IsolationModel Isolation,
    string Server,
    string Database,
    string Schema,
    long Epoch,
    bool Again
)
{
    public static ProvisionInput Of(TenantId tenant, string slug, Placement home, bool again) =>
        new(tenant.Value, slug, home.Isolation, home.Server, home.Database.Name, home.Schema.Name, home.Epoch, again);

    public TenantId TenantId => new(Tenant);

    public Placement Home => new(Isolation, Server, new PgIdentifier(Database), new PgIdentifier(Schema), Epoch);
}
