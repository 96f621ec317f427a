using System.Globalization;
using Npgsql;
using TenantDocs.Benchmarks.Driving;
using TenantDocs.Benchmarks.Stage;

namespace TenantDocs.Benchmarks.Rows;

/// <summary>Hundreds of schemas and databases used at random: connections, errors and memory stay bounded.</summary>
internal static class ManyTenantsRow
{
    private const string Prefix = "bench_crowd";

    public static async Task MeasureAsync(Bench bench, Report report)
    {
        using var api = await ApiHost.StartAsync(bench.Cluster, Prefix);
        var (schemas, databases) = bench.Settings.Quick ? (40, 20) : (300, 150);
        var requests = new List<string>();
        await using var inSchemas = await BareTenants.OpenAsync(bench.Cluster, api.Prefix, "schema");
        await using var inDatabases = await BareTenants.OpenAsync(bench.Cluster, api.Prefix, "database");
        for (var i = 0; i < schemas + databases; i++)
        {
            var tenant = await (i < schemas ? inSchemas : inDatabases).MakeWithKeyAsync($"crowd-{i}");
            var rows = await bench.Loader.LoadAsync(tenant.Database, tenant.Schema, [(tenant.Id, 5)]);
            requests.AddRange(rows.Select(r => RequestFile.Get($"/v1/documents/{r.Id}", tenant.Key)));
        }

        var order = bench.Order(api.Port, bench.Requests.Write("crowd", requests), 200, 2000) with
        {
            Connections = 64,
            Seconds = bench.Settings.Quick ? 8 : 60,
        };
        using var stop = new CancellationTokenSource();
        var watch = WatchAsync(bench, api, stop.Token);
        var count = await bench.Driver.TryAsync(order);
        await stop.CancelAsync();
        var (tenantConnections, all, memory) = await watch;

        var what = $"{schemas} schema and {databases} database tenants at random, 64 clients";
        report.AtMost($"{what}: server connections to tenant databases, highest seen", tenantConnections, 60);
        report.Show($"{what}: all server connections of the host, with catalog and listener", Report.Number(all));
        report.AtMost($"{what}: errors", count.Errors, 0);
        report.AtMost($"{what}: resident memory of the host, highest seen", memory, 350, " MiB");
        report.Section(
            "Many tenants",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{count.Requests:N0} requests in {count.Seconds:N0} s ({count.PerSecond:N0}/s), median {count.Median / 1000:0.0} ms, 99 % {count.Percentile99 / 1000:0.0} ms.{count.FirstError}\n"
            )
        );
    }

    private static async Task<(double Tenants, double All, double Memory)> WatchAsync(
        Bench bench,
        ApiHost api,
        CancellationToken stop
    )
    {
        await using var connection = await bench.Cluster.OpenAsync("postgres");
        await using var command = new NpgsqlCommand(
            """
            SELECT count(*) FILTER (WHERE usename = 'tenantdocs_app'), count(*)
              FROM pg_stat_activity
             WHERE starts_with(datname, $1) AND starts_with(application_name, 'tenantdocs')
            """,
            connection
        );
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Prefix });
        var (tenants, all, memory) = (0.0, 0.0, 0.0);
        while (!stop.IsCancellationRequested)
        {
            await using (var reader = await command.ExecuteReaderAsync(CancellationToken.None))
            {
                await reader.ReadAsync(CancellationToken.None);
                (tenants, all) = (Math.Max(tenants, reader.GetInt64(0)), Math.Max(all, reader.GetInt64(1)));
            }

            memory = Math.Max(memory, api.Process.ResidentMiB());
            await Task.Delay(100, CancellationToken.None);
        }

        return (tenants, all, memory);
    }
}
