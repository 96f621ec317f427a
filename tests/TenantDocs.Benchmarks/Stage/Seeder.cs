using System.Security.Cryptography;
using System.Text;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Benchmarks.Stage;

/// <summary>Tenants of the shared model by the thousand, by SQL: what provisioning leaves behind, without its steps.</summary>
internal static class Seeder
{
    public static async Task<IReadOnlyList<BenchTenant>> SeedAsync(Cluster cluster, string prefix, int count)
    {
        var tenants = Enumerable
            .Range(0, count)
            .Select(i => new BenchTenant(
                Guid.CreateVersion7(),
                $"seeded-{i}",
                $"td_seeded_{prefix}_{i:000000}_0123456789abcdef",
                $"{prefix}_shared",
                "shared"
            ))
            .ToList();
        var ids = tenants.ConvertAll(t => t.Id).ToArray();
        await using (var catalog = await cluster.OpenAsync($"{prefix}_catalog", "catalog"))
        {
            await catalog.ExecuteAsync(
                """
                WITH t AS (
                    INSERT INTO tenants (id, slug, name, tier, status, schema_version, created_at, updated_at)
                    SELECT u.id, u.slug, u.slug, 'starter', 'active', $3, now(), now() FROM unnest($1, $2) AS u (id, slug)
                    RETURNING id)
                INSERT INTO placements (tenant_id, isolation, server, database_name, schema_name, epoch)
                SELECT id, 'shared', 'local-1', $4, 'shared', 1 FROM t
                """,
                ids,
                tenants.ConvertAll(t => t.Slug).ToArray(),
                MigrationSet.Tenant.Latest,
                $"{prefix}_shared"
            );
            await catalog.ExecuteAsync(
                """
                INSERT INTO api_keys (id, tenant_id, name, prefix, hash, role, created_at, created_by)
                SELECT gen_random_uuid(), u.id, 'bench', 'td_seeded', u.hash, 'editor', now(), 'bench'
                  FROM unnest($1, $2) AS u (id, hash)
                """,
                ids,
                tenants.ConvertAll(t => SHA256.HashData(Encoding.UTF8.GetBytes(t.Key))).ToArray()
            );
            await catalog.ExecuteAsync("VACUUM ANALYZE");
        }

        await FenceAsync(cluster, $"{prefix}_shared", ids);
        return tenants;
    }

    /// <summary>Makes a shared database the home of tenants.</summary>
    public static async Task FenceAsync(Cluster cluster, string database, Guid[] tenants)
    {
        await using var connection = await cluster.OpenAsync(database, "shared");
        await connection.ExecuteAsync(
            """
            INSERT INTO tenantdocs.tenant_fence (tenant_id, epoch, state, access, schema_name)
            SELECT t, 1, 'active', 'readWrite', 'shared' FROM unnest($1) AS t
            """,
            tenants
        );
        await connection.ExecuteAsync("INSERT INTO tenant_state (tenant_id) SELECT t FROM unnest($1) AS t", tenants);
        await connection.ExecuteAsync("VACUUM ANALYZE tenantdocs.tenant_fence");
    }

    /// <summary>How the request role connects to a database of the product.</summary>
    public static string AppConnectionString(Cluster cluster, string database)
    {
        var servers = new ServerConnections();
        servers.Register(new Server("local-1", "local", cluster.ConnectionString, ApiHost.RoleSecret, 1, false));
        return servers.ConnectionString("local-1", new PgIdentifier(database), SessionRole.App);
    }
}
