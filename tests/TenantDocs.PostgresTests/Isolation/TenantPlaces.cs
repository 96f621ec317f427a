using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>
/// Tenants placed by hand, in any state that the fence and the catalog can be in, also in those that provisioning would
/// never leave behind.
/// </summary>
internal static class TenantPlaces
{
    public static async Task<Tenant> PlaceAsync(this Platform platform, IsolationModel model, long epoch = 1)
    {
        var id = TenantId.Create(TimeProvider.System.GetUtcNow());
        var place = platform.Get<Isolations>()[model].PlaceFor(id, "local-1", epoch);
        if (model is IsolationModel.Database)
        {
            await platform.CreateDatabaseAsync(place.Database);
        }

        if (model is IsolationModel.Schema)
        {
            await using var admin = await platform.Servers.OpenAsync(
                place.Server,
                place.Database,
                SessionRole.Admin,
                CancellationToken.None
            );
            await admin.ExecuteAsync($"SET ROLE {DatabaseNames.OwnerRole}");
            await admin.ExecuteAsync(
                "SELECT tenantdocs.clone_schema($1, $2)",
                SqlValue.Of(DatabaseNames.TemplateSchema.Name),
                SqlValue.Of(place.Schema.Name)
            );
        }

        await platform.FenceAsync(id, place, "active", "readWrite");
        var slug = $"t-{id.Value:n}";
        await platform.RunInCatalogAsync(
            """
            INSERT INTO tenants (id, slug, name, tier, status, created_at, updated_at)
            VALUES ($1, $2, $2, 'standard', 'active', now(), now())
            """,
            SqlValue.Of(id.Value),
            SqlValue.Of(slug)
        );
        await platform.RunInCatalogAsync(
            "INSERT INTO placements (tenant_id, isolation, server, database_name, schema_name, epoch) VALUES ($1, $2, $3, $4, $5, $6)",
            SqlValue.Of(id.Value),
            SqlValue.Of(model.ToText()),
            SqlValue.Of(place.Server),
            SqlValue.Of(place.Database.Name),
            SqlValue.Of(place.Schema.Name),
            SqlValue.Of(epoch)
        );
        return (await platform.Get<TenantCatalog>().FindAsync(id, CancellationToken.None))!;
    }

    /// <summary>Places the tenant's fence as a mover would.</summary>
    public static async Task FenceAsync(
        this Platform platform,
        TenantId tenant,
        Placement place,
        string state,
        string access
    )
    {
        await using var mover = await platform.Servers.OpenAsync(
            place.Server,
            place.Database,
            SessionRole.Mover,
            CancellationToken.None
        );
        if (state is "active")
        {
            // What a move fills or has left is opened by that move alone (arrive), not by place_fence.
            await mover.ExecuteAsync(
                """
                UPDATE tenantdocs.tenant_fence SET state = 'write_fenced'
                 WHERE tenant_id = $1 AND state IN ('importing', 'standby', 'moved')
                """,
                SqlValue.Of(tenant.Value)
            );
        }

        await mover.ExecuteAsync(
            "SELECT tenantdocs.place_fence($1, $2, $3, $4, $5)",
            SqlValue.Of(tenant.Value),
            SqlValue.Of(place.Epoch),
            SqlValue.Of(state),
            SqlValue.Of(access),
            SqlValue.Of(place.Schema.Name)
        );
    }

    public static async Task CreateDatabaseAsync(this Platform platform, PgIdentifier database)
    {
        var names = platform.Get<DatabaseNames>();
        await using var admin = await platform.Servers.OpenAsync(
            "local-1",
            new PgIdentifier("postgres"),
            SessionRole.Admin,
            CancellationToken.None
        );
        await admin.ExecuteAsync(
            $"CREATE DATABASE {database.Quoted} TEMPLATE {names.TemplateDatabase.Quoted} OWNER {DatabaseNames.OwnerRole.Quoted}"
        );
        await admin.ExecuteAsync(ServerBootstrap.DatabaseGrantsSql(database));
    }

    public static async Task RunInCatalogAsync(this Platform platform, string sql, params NpgsqlParameter[] parameters)
    {
        await using var command = platform.Catalog.Source.CreateCommand(sql);
        command.Parameters.AddRange(parameters);
        await command.ExecuteNonQueryAsync();
    }
}
