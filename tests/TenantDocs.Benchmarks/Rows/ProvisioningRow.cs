using System.Diagnostics;
using System.Globalization;
using System.Text;
using Npgsql;
using TenantDocs.Benchmarks.Stage;
using TenantDocs.Database;

namespace TenantDocs.Benchmarks.Rows;

/// <summary>
/// A tenant through the admin API (one request that waits for the operation) ÷ the bare SQL that leaves the same tenant
/// behind, through warm connections, without steps, lease or journal.
/// </summary>
internal static class ProvisioningRow
{
    public static async Task MeasureAsync(Bench bench, Report report)
    {
        var api = await bench.ApiAsync();
        var table = new StringBuilder("| | through the API, ms | bare SQL, ms | ratio |\n|---|---|---|---|\n");
        foreach (var model in new[] { "shared", "schema", "database" })
        {
            var (product, bare) = await CompareAsync(bench, api, model);
            var ratio = product / bare;
            report.AtMost($"provisioning, {model} ÷ bare SQL", ratio, 2);
            table.Append(
                CultureInfo.InvariantCulture,
                $"| {model} | {Report.Number(product)} | {Report.Number(bare)} | {Report.Number(ratio)} |\n"
            );
        }

        report.Section("Provisioning", table.ToString());
    }

    private static async Task<(double Product, double Bare)> CompareAsync(Bench bench, ApiHost api, string model)
    {
        await using var catalog = await bench.Cluster.OpenAsync($"{api.Prefix}_catalog", "catalog");
        var home = model switch
        {
            "shared" => $"{api.Prefix}_shared",
            "schema" => $"{api.Prefix}_schemas",
            _ => "postgres",
        };
        await using var server = await bench.Cluster.OpenAsync(home, model is "shared" ? "shared" : null);
        var (product, bare) = (new List<double>(), new List<double>());
        var rounds = bench.Settings.Quick ? 8 : 25;
        for (var i = -2; i < rounds; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await api.CreateWithoutKeyAsync($"made-{model}-{i + 2}", model);
            var mine = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            start = Stopwatch.GetTimestamp();
            await MakeAsync(bench, api.Prefix, model, catalog, server, $"bare-{model}-{i + 2}");
            var theirs = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            if (i >= 0)
            {
                product.Add(mine);
                bare.Add(theirs);
            }
        }

        return (product.Median(), bare.Median());
    }

    private static async Task MakeAsync(
        Bench bench,
        string prefix,
        string model,
        NpgsqlConnection catalog,
        NpgsqlConnection server,
        string slug
    )
    {
        var id = Guid.CreateVersion7();
        var (database, schema) = model switch
        {
            "shared" => ($"{prefix}_shared", "shared"),
            "schema" => ($"{prefix}_schemas", $"t_{id:n}"),
            _ => ($"{prefix}_t_{id:n}", "tenant"),
        };
        await catalog.ExecuteAsync(
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
            model,
            database,
            schema
        );
        switch (model)
        {
            case "shared":
                await server.ExecuteAsync(Home(id, schema));
                break;
            case "schema":
                await server.ExecuteAsync(
                    $"SELECT tenantdocs.clone_schema('template', '{schema}'); {Home(id, schema)}"
                );
                break;
            default:
                await server.ExecuteAsync(
                    $"CREATE DATABASE {database} TEMPLATE {prefix}_template OWNER tenantdocs_owner"
                );
                await server.ExecuteAsync(ServerBootstrap.DatabaseGrantsSql(new PgIdentifier(database)));
                await using (var inside = await bench.Cluster.OpenAsync(database))
                {
                    await inside.ExecuteAsync(Home(id, schema));
                }

                break;
        }
    }

    // Text of ours: an id and a name made of it.
    private static string Home(Guid id, string schema) =>
        $"""
            SELECT tenantdocs.place_fence('{id}', 1, 'active', 'readWrite', '{schema}');
            INSERT INTO {schema}.tenant_state (tenant_id) VALUES ('{id}');
            """;
}
