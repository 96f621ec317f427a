using TenantDocs.Catalog;
using TenantDocs.Documents;
using TenantDocs.Operations;
using TenantDocs.Provisioning;

namespace TenantDocs.Api.Demo;

/// <summary>A demo tenant and a key to it.</summary>
internal sealed record DemoTenant(string Slug, IsolationModel Isolation, string Key);

/// <summary>
/// Makes the demo tenants, one of each model, where they are missing. Running again finds them; their keys are kept in a
/// private file beside the embedded clusters, since the catalog keeps hashes only.
/// </summary>
internal sealed class DemoTenants(
    TenantProvisioning provisioning,
    OperationRequests operations,
    TenantCatalog catalog,
    ApiKeys keys,
    IDocumentRepository documents,
    DemoKeys kept
)
{
    private const string Actor = "demo";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private static readonly (string Slug, string Name, IsolationModel Isolation)[] Small =
    [
        ("acorn", "Acorn (shared tables)", IsolationModel.Shared),
        ("birch", "Birch (schema of its own)", IsolationModel.Schema),
        ("cedar", "Cedar (database of its own)", IsolationModel.Database),
    ];

    public async Task<IReadOnlyList<DemoTenant>> EnsureAsync(CancellationToken cancellationToken)
    {
        var tenants = new List<DemoTenant>();
        foreach (var (slug, name, isolation) in Small)
        {
            if (
                await FindOrMakeAsync(slug, name, isolation, cancellationToken) is
                { Status: TenantStatus.Active } tenant
            )
            {
                tenants.Add(
                    new DemoTenant(slug, tenant.Placement.Isolation, await KeyAsync(tenant, cancellationToken))
                );
            }
        }

        return tenants;
    }

    private async Task<Tenant?> FindOrMakeAsync(
        string slug,
        string name,
        IsolationModel isolation,
        CancellationToken cancellationToken
    )
    {
        var found = await catalog.FindBySlugAsync(slug, cancellationToken);
        if (found is not null and not { Status: TenantStatus.Failed } || !TenantSlug.TryParse(slug, out var parsed))
        {
            return found;
        }

        var started = await provisioning.StartAsync(
            new NewTenant(parsed, name) { Isolation = isolation },
            Actor,
            cancellationToken
        );
        if (started.Error is null)
        {
            await operations.WaitAsync(started.Value, Patience, cancellationToken);
        }

        var made = await catalog.FindBySlugAsync(slug, cancellationToken);
        if (made is { Status: TenantStatus.Active })
        {
            await SeedAsync(made, cancellationToken);
        }

        return made;
    }

    private async Task SeedAsync(Tenant tenant, CancellationToken cancellationToken)
    {
        foreach (var (title, body, tags) in DemoDocuments.All)
        {
            var created = await documents.CreateAsync(
                tenant,
                id: null,
                DemoDocuments.Content(title, body, tags),
                new DocumentWrite { Actor = Actor },
                cancellationToken
            );
            if (created.Error is { } error)
            {
                throw new InvalidOperationException($"The demo document '{title}' was refused: {error.Detail}");
            }
        }
    }

    private async Task<string> KeyAsync(Tenant tenant, CancellationToken cancellationToken)
    {
        if (kept.Find(tenant.Id) is { } known)
        {
            return known;
        }

        var (_, key) = await keys.CreateAsync(tenant.Id, "demo", "owner", null, null, Actor, cancellationToken);
        kept.Keep(tenant.Id, key);
        return key;
    }
}
