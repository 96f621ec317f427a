using System.Security.Cryptography;
using System.Text;
using Npgsql;
using TenantDocs.Database;

namespace TenantDocs.Benchmarks.Stage;

/// <summary>
/// Tenants by the bare SQL that leaves behind what provisioning does, through warm connections, without steps, lease or
/// journal: the floor of provisioning, and the quick way to many tenants for the other rows.
/// </summary>
internal sealed class BareTenants : IAsyncDisposable
{
    private readonly Cluster _cluster;
    private readonly string _prefix;
    private readonly string _model;
    private readonly NpgsqlConnection _catalog;
    private readonly NpgsqlConnection _server;

    private BareTenants(Cluster cluster, string prefix, string model, NpgsqlConnection catalog, NpgsqlConnection server)
    {
        (_cluster, _prefix, _model, _catalog, _server) = (cluster, prefix, model, catalog, server);
    }

    public static async Task<BareTenants> OpenAsync(Cluster cluster, string prefix, string model)
    {
        var home = model switch
        {
            "shared" => $"{prefix}_shared",
            "schema" => $"{prefix}_schemas",
            _ => "postgres",
        };
        return new BareTenants(
            cluster,
            prefix,
            model,
            await cluster.OpenAsync($"{prefix}_catalog", "catalog"),
            await cluster.OpenAsync(home)
        );
    }

    public async Task<BenchTenant> MakeAsync(string slug)
    {
        var id = Guid.CreateVersion7();
        var (database, schema) = _model switch
        {
            "shared" => ($"{_prefix}_shared", "shared"),
            "schema" => ($"{_prefix}_schemas", $"t_{id:n}"),
            _ => ($"{_prefix}_t_{id:n}", "tenant"),
        };
        await _catalog.ExecuteAsync(
            """
            WITH t AS (
                INSERT INTO tenants (id, slug, name, tier, status, schema_version, created_at, updated_at)
                VALUES ($1, $2, $2, 'starter', 'active', $3, now(), now()) RETURNING id)
            INSERT INTO placements (tenant_id, isolation, server, database_name, schema_name, epoch)
            SELECT id, $4, 'local-1', $5, $6, 1 FROM t
            """,
            id,
            slug,
            MigrationSet.Tenant.Latest,
            _model,
            database,
            schema
        );
        switch (_model)
        {
            case "shared":
                await _server.ExecuteAsync(Home(id, schema));
                break;
            case "schema":
                await _server.ExecuteAsync(
                    $"SELECT tenantdocs.clone_schema('template', '{schema}'); {Home(id, schema)}"
                );
                break;
            default:
                await _server.ExecuteAsync(
                    $"CREATE DATABASE {database} TEMPLATE {_prefix}_template OWNER tenantdocs_owner"
                );
                await _server.ExecuteAsync(ServerBootstrap.DatabaseGrantsSql(new PgIdentifier(database)));
                await using (var inside = await _cluster.OpenAsync(database))
                {
                    await inside.ExecuteAsync(Home(id, schema));
                }

                break;
        }

        return new BenchTenant(id, slug, "", database, schema);
    }

    /// <summary>As <see cref="MakeAsync"/>, with a key for the tenant API.</summary>
    public async Task<BenchTenant> MakeWithKeyAsync(string slug)
    {
        var tenant = await MakeAsync(slug);
        var key = $"td_{slug}_{tenant.Id:n}";
        await _catalog.ExecuteAsync(
            """
            INSERT INTO api_keys (id, tenant_id, name, prefix, hash, role, created_at, created_by)
            VALUES (gen_random_uuid(), $1, 'bench', 'td_bench', $2, 'editor', now(), 'bench')
            """,
            tenant.Id,
            SHA256.HashData(Encoding.UTF8.GetBytes(key))
        );
        return tenant with { Key = key };
    }

    public async ValueTask DisposeAsync()
    {
        await _catalog.DisposeAsync();
        await _server.DisposeAsync();
    }

    // Text of ours: an id and a name made of it.
    private static string Home(Guid id, string schema) =>
        $"""
            SELECT tenantdocs.place_fence('{id}', 1, 'active', 'readWrite', '{schema}');
            INSERT INTO {schema}.tenant_state (tenant_id) VALUES ('{id}');
            """;
}
