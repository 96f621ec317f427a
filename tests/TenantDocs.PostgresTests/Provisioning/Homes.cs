using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Provisioning;

/// <summary>Looks at what tenants have on the server, past the product.</summary>
internal static class Homes
{
    /// <summary>A write as a request makes it; 1 when the home admits it.</summary>
    public static Task<int> WriteAsync(Platform platform, Tenant tenant) =>
        platform.Sessions.WriteAsync(
            tenant,
            async (session, cancellation) =>
            {
                await using var batch = session
                    .CreateBatch()
                    .Add("UPDATE tenant_state SET seq = seq + 1 WHERE tenant_id = $1", SqlValue.Of(tenant.Id.Value));
                return await batch.ExecuteAsync(cancellation);
            },
            CancellationToken.None
        );

    public static string NameOf(Tenant tenant) =>
        tenant.Placement.Isolation switch
        {
            IsolationModel.Shared => tenant.Id.ToString(),
            IsolationModel.Schema => tenant.Placement.Schema.Name,
            _ => tenant.Placement.Database.Name,
        };

    /// <summary>State rows in the shared tables, tenant schemas and tenant databases of the platform's first server.</summary>
    public static async Task<IReadOnlyList<string>> AllAsync(Platform platform)
    {
        var names = platform.Get<DatabaseNames>();
        return
        [
            .. await ReadAsync(platform, names.SharedDatabase, "SELECT tenant_id::text FROM shared.tenant_state"),
            .. await ReadAsync(
                platform,
                names.SchemaDatabase,
                @"SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 't\_%'"
            ),
            .. await ReadAsync(
                platform,
                new PgIdentifier("postgres"),
                $"SELECT datname::text FROM pg_database WHERE starts_with(datname, '{names.Prefix}_t_')"
            ),
        ];
    }

    public static async Task<IReadOnlyList<string>> ReadAsync(Platform platform, PgIdentifier database, string sql)
    {
        await using var connection = await platform.Servers.OpenAsync(
            "local-1",
            database,
            SessionRole.Admin,
            CancellationToken.None
        );
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync())
        {
            rows.Add(reader.GetString(0));
        }

        return rows;
    }
}
