using System.Diagnostics;
using System.Globalization;
using System.Text;
using Npgsql;
using TenantDocs.Benchmarks.Driving;
using TenantDocs.Benchmarks.Hosts;
using TenantDocs.Benchmarks.Stage;
using TenantDocs.Documents;
using TenantDocs.Isolation;

namespace TenantDocs.Benchmarks.Rows;

/// <summary>Where the time of a GET goes: the same request with one layer more at a time, in interleaved rounds.</summary>
internal static class ProfileRow
{
    public static async Task MeasureAsync(Bench bench, Report report)
    {
        var api = await bench.ApiAsync();
        var floor = await bench.FloorAsync();
        var tenants = await bench.TenantsAsync("shared");
        var layers = await StartLayersAsync(bench, api);
        var contenders = new List<Contender>
        {
            new("Kestrel and driver alone", null, floor, Order(floor.Port, "constant", _ => FloorHost.ConstantPath)),
        };
        foreach (var (path, adds) in LayersHost.Layers)
        {
            contenders.Add(
                new(
                    adds,
                    null,
                    layers,
                    Order(layers.Port, path, t => $"/{path}/{t.Tenant.Id}/documents", withKey: false)
                )
            );
        }

        contenders.Add(new("the product", null, api.Served, Order(api.Port, "product", _ => "/v1/documents")));
        var counts = await Rounds.RunAsync(bench, contenders);
        var table = new StringBuilder(
            "| | requests/s | CPU µs: host | PostgreSQL | driver | sum | + |\n|---|---|---|---|---|---|---|\n"
        );
        var before = 0.0;
        for (var i = 0; i < contenders.Count; i++)
        {
            var mine = counts[i];
            var each = mine.Select(r => r.Cpu).Median();
            table.Append(
                CultureInfo.InvariantCulture,
                $"| {contenders[i].Name} | {mine.Select(r => r.PerSecond).Median():N0} | {mine.Select(r => r.HostCpu).Median():0.0} "
                    + $"| {mine.Select(r => r.PostgresCpu).Median():0.0} | {mine.Select(r => r.DriverCpu).Median():0.0} | {each:0.0} | {each - before:+0.0;-0.0} |\n"
            );
            before = each;
        }

        report.Section("Layers of a GET by id, shared model, over HTTP", table.ToString());
        await MeasureServerAsync(bench, api, tenants[0], report);

        LoadOrder Order(int port, string name, Func<LoadedTenant, string> path, bool withKey = true) =>
            bench.Order(
                port,
                bench.Requests.Write(
                    $"profile-{name}",
                    tenants.SelectMany(t =>
                        t.Documents.Select(d =>
                            RequestFile.Get(
                                path(t) is FloorHost.ConstantPath and var constant ? constant : $"{path(t)}/{d}",
                                withKey ? t.Tenant.Key : null
                            )
                        )
                    )
                ),
                200,
                2000
            );
    }

    private static async Task<ServedHost> StartLayersAsync(Bench bench, ApiHost api)
    {
        var port = ChildProcess.FreePort();
        var environment = new Dictionary<string, string>(api.Environment)
        {
            [LayersHost.AdminVariable] = Pooled(bench.Cluster.To($"{api.Prefix}_shared", "shared")),
            [LayersHost.AppVariable] = Pooled(Seeder.AppConnectionString(bench.Cluster, $"{api.Prefix}_shared")),
        };
        environment.Remove("Urls");
        var process = bench.Keep(ChildProcess.Start(ChildProcess.Self, ["layers", $"{port}"], environment));
        process.DrainOutput();
        await process.WaitForAsync(port, "/ready");
        return new ServedHost(process, port);
    }

    /// <summary>One connection, one statement after the other, no HTTP: what the server takes, with one turn of the wire.</summary>
    private static async Task MeasureServerAsync(Bench bench, ApiHost api, LoadedTenant tenant, Report report)
    {
        var database = $"{api.Prefix}_shared";
        await using var admin = NpgsqlDataSource.Create(Pooled(bench.Cluster.To(database, "shared")));
        await using var app = NpgsqlDataSource.Create(Pooled(Seeder.AppConnectionString(bench.Cluster, database)));
        var id = tenant.Tenant.Id;
        (string Name, NpgsqlDataSource Source, string? First, NpgsqlParameter[] Values)[] ways =
        [
            ("query alone, superuser", admin, null, []),
            ("+ SELECT 1", admin, "SELECT 1", []),
            (
                "set_config + query under the policy",
                app,
                "SELECT set_config('app.current_tenant', $1, true)",
                [SqlValue.Of(id.ToString())]
            ),
            (
                "gate + query under the policy",
                app,
                "SELECT tenantdocs.enter_read($1, $2)",
                [SqlValue.Of(id), SqlValue.Of(1L)]
            ),
        ];
        var times = ways.Select(_ => new List<double>()).ToArray();
        for (var round = -1; round < bench.Settings.Rounds; round++)
        {
            for (var i = 0; i < ways.Length; i++)
            {
                var each = await RepeatAsync(ways[i].Source, ways[i].First, ways[i].Values, tenant);
                if (round >= 0)
                {
                    times[i].Add(each);
                }
            }
        }

        var table = new StringBuilder("| | µs | + |\n|---|---|---|\n");
        for (var i = 0; i < ways.Length; i++)
        {
            var (now, first) = (times[i].Median(), times[0].Median());
            table.Append(CultureInfo.InvariantCulture, $"| {ways[i].Name} | {now:0.0} | {now - first:+0.0;-0.0} |\n");
        }

        report.Section("One connection without HTTP, µs per read by key", table.ToString());
    }

    private static async Task<double> RepeatAsync(
        NpgsqlDataSource source,
        string? first,
        NpgsqlParameter[] values,
        LoadedTenant tenant
    )
    {
        const int Reads = 4000;
        await using var connection = await source.OpenConnectionAsync();
        await using var batch = new NpgsqlBatch(connection);
        if (first is not null)
        {
            var gate = new NpgsqlBatchCommand(first);
            gate.Parameters.AddRange(values.Select(v => v.Clone()).ToArray());
            batch.BatchCommands.Add(gate);
        }

        var query = new NpgsqlBatchCommand(DocumentSql.Find);
        query.Parameters.Add(SqlValue.Of(tenant.Tenant.Id));
        var key = new NpgsqlParameter<Guid> { NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid };
        query.Parameters.Add(key);
        batch.BatchCommands.Add(query);
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < Reads; i++)
        {
            key.TypedValue = tenant.Documents[i % tenant.Documents.Count];
            await using var reader = await batch.ExecuteReaderAsync();
            if (first is not null)
            {
                await reader.NextResultAsync();
            }

            if (!await reader.ReadAsync() || reader.GetGuid(1) != key.TypedValue)
            {
                throw new BenchmarkException("A read by key found the wrong row.");
            }
        }

        return Stopwatch.GetElapsedTime(start).TotalMicroseconds / Reads;
    }

    private static string Pooled(string connectionString) =>
        new NpgsqlConnectionStringBuilder(connectionString)
        {
            SearchPath = "shared",
            MaxPoolSize = 40,
            MaxAutoPrepare = 64,
            AutoPrepareMinUsages = 2,
            NoResetOnClose = true,
            CommandTimeout = 30,
        }.ConnectionString;
}
