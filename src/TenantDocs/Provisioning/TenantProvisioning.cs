using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Provisioning;

/// <summary>Begins the making of tenants.</summary>
public sealed class TenantProvisioning(
    OperationRequests requests,
    TenantCatalog catalog,
    TenantPlacing placing,
    Isolations isolations,
    IOptions<TiersOptions> tiers,
    TimeProvider time
)
{
    private const string NotFailed = "TD020";

    /// <summary>
    /// Writes the tenant down as <c>provisioning</c> and begins to make its home. A slug whose provisioning failed may be
    /// asked for again.
    /// </summary>
    /// <returns>
    /// 400 for an unknown tier, server or region; 409 <c>duplicate</c> for a slug that is taken or reserved; 409
    /// <c>no-capacity</c> when no server has room.
    /// </returns>
    public async Task<Result<StartedOperation>> StartAsync(
        NewTenant request,
        string actor,
        CancellationToken cancellationToken
    )
    {
        if (request.Slug.IsReserved)
        {
            return Taken("This slug is reserved for the platform. Choose another one.");
        }

        if (Tier(request) is not { } tier)
        {
            return Error.Invalid("tier", $"No such tier. One of: {string.Join(", ", tiers.Value.Keys)}.");
        }

        var model = request.Isolation ?? tiers.Value[tier].Isolation;
        var server = await placing.ChooseAsync(
            request.Server ?? tiers.Value[tier].Server,
            request.Region,
            cancellationToken
        );
        if (server.Error is { } noServer)
        {
            return noServer;
        }

        var id = TenantId.Create(time.GetUtcNow());
        var home = isolations[model].PlaceFor(id, server.Value, epoch: 1);
        try
        {
            return await BeginAsync(
                id,
                request.Slug.Value,
                home,
                actor,
                Insert(id, request, tier, home),
                false,
                cancellationToken
            );
        }
        catch (PostgresException e)
            when (e is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "tenants_slug" })
        {
            var holder = await catalog.FindBySlugAsync(request.Slug.Value, cancellationToken);
            return holder is { Status: TenantStatus.Failed }
                ? await AgainAsync(holder, request, tier, model, server.Value, actor, cancellationToken)
                : Taken("A tenant with this slug exists. Choose another slug.");
        }
    }

    /// <summary>Tries again to make a tenant whose provisioning failed, as it was asked for. 404; 409 when it has not failed.</summary>
    public async Task<Result<StartedOperation>> RetryAsync(
        string slug,
        string actor,
        CancellationToken cancellationToken
    )
    {
        var tenant = await catalog.FindBySlugAsync(slug, cancellationToken);
        if (tenant is null)
        {
            return TenantLifecycle.NoSuchTenant;
        }

        var request = new NewTenant(ParsedSlug(tenant.Slug), tenant.Name)
        {
            Region = tenant.Region,
            Language = tenant.Language,
        };
        return tenant.Status is TenantStatus.Failed
            ? await AgainAsync(
                tenant,
                request,
                tenant.Tier,
                tenant.Placement.Isolation,
                tenant.Placement.Server,
                actor,
                cancellationToken
            )
            : TenantLifecycle.Refused(tenant, "Only a tenant whose provisioning failed can be tried again.");
    }

    private async Task<Result<StartedOperation>> AgainAsync(
        Tenant failed,
        NewTenant request,
        string tier,
        IsolationModel model,
        string server,
        string actor,
        CancellationToken cancellationToken
    )
    {
        // The epoch grows: whatever the failed try still does somewhere is older than this one.
        var home = isolations[model].PlaceFor(failed.Id, server, failed.Placement.Epoch + 1);
        try
        {
            var writes = Update(failed.Id, request, tier, home);
            return await BeginAsync(failed.Id, failed.Slug, home, actor, writes, true, cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState == NotFailed)
        {
            return Taken("Somebody else is making this tenant again.");
        }
    }

    private Task<Result<StartedOperation>> BeginAsync(
        TenantId id,
        string slug,
        Placement home,
        string actor,
        CatalogWrites writes,
        bool again,
        CancellationToken cancellationToken
    ) =>
        requests.StartAsync(
            new NewOperation(ProvisionOperation.TypeName, ProvisionInput.Of(id, slug, home, again), actor)
            {
                Tenant = id,
                TenantSlug = slug,
                Objects = [OperationObject.HomeOf(id, home)],
            },
            cancellationToken,
            writes
        );

    private CatalogWrites Insert(TenantId id, NewTenant request, string tier, Placement home) =>
        new CatalogWrites()
            .Add(
                """
                INSERT INTO tenants (id, slug, name, tier, status, region, language, created_at, updated_at)
                VALUES ($1, $2, $3, $4, 'provisioning', $5, $6, $7, $7)
                """,
                SqlValue.Of(id.Value),
                SqlValue.Of(request.Slug.Value),
                SqlValue.Of(request.Name),
                SqlValue.Of(tier),
                SqlValue.Of(request.Region),
                SqlValue.Of(request.Language),
                SqlValue.Of(time.GetUtcNow())
            )
            .Add(
                """
                INSERT INTO placements (tenant_id, isolation, server, database_name, schema_name, epoch)
                VALUES ($1, $2, $3, $4, $5, $6)
                """,
                HomeParameters(id, home)
            );

    private CatalogWrites Update(TenantId id, NewTenant request, string tier, Placement home) =>
        new CatalogWrites()
            .Add(
                $"""
                WITH again AS (
                    UPDATE tenants
                       SET name = $2, tier = $3, status = 'provisioning', region = $4, language = $5, suspend_reason = NULL,
                           access_mode = 'readWrite', version = version + 1, updated_at = $6
                     WHERE id = $1 AND status = 'failed'
                    RETURNING 1)
                SELECT require((SELECT count(*) FROM again) = 1, '{NotFailed}', 'the tenant has not failed')
                """,
                SqlValue.Of(id.Value),
                SqlValue.Of(request.Name),
                SqlValue.Of(tier),
                SqlValue.Of(request.Region),
                SqlValue.Of(request.Language),
                SqlValue.Of(time.GetUtcNow())
            )
            .Add(
                """
                UPDATE placements
                   SET isolation = $2, server = $3, database_name = $4, schema_name = $5, epoch = $6
                 WHERE tenant_id = $1
                """,
                HomeParameters(id, home)
            );

    private static NpgsqlParameter[] HomeParameters(TenantId id, Placement home) =>
        [
            SqlValue.Of(id.Value),
            SqlValue.Of(home.Isolation.ToText()),
            SqlValue.Of(home.Server),
            SqlValue.Of(home.Database.Name),
            SqlValue.Of(home.Schema.Name),
            SqlValue.Of(home.Epoch),
        ];

    private string? Tier(NewTenant request)
    {
        var known = tiers.Value;
        if (request.Tier is { } asked)
        {
            return known.ContainsKey(asked) ? asked : null;
        }

        var model = request.Isolation ?? IsolationModel.Shared;
        // A model that no configured tier has any more still has a name to put it under.
        return known.Of(model) ?? known.Keys.FirstOrDefault();
    }

    private static TenantSlug ParsedSlug(string text) =>
        TenantSlug.TryParse(text, out var slug)
            ? slug
            : throw new FormatException("The catalog holds a slug that has not the form of one.");

    private static Error Taken(string detail) => new(ErrorKind.Conflict, "duplicate", detail);
}
