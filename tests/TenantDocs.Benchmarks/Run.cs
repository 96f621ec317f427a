using System.Diagnostics;
using TenantDocs.Benchmarks.Rows;

namespace TenantDocs.Benchmarks;

/// <summary>One run: a cluster of its own, the rows that were asked for, one report.</summary>
internal static class Run
{
    public static async Task<int> StartAsync(string[] args)
    {
        try
        {
            var settings = Settings.Parse(args);
            var start = Stopwatch.GetTimestamp();
            await using var bench = await Bench.StartAsync(settings);
            var report = new Report(settings, bench.Cluster.Version);
            foreach (var row in settings.Rows)
            {
                await Console.Error.WriteLineAsync($"[{Stopwatch.GetElapsedTime(start):mm\\:ss}] {row}");
                await MeasureAsync(row, bench, report);
            }

            if (settings.Profile)
            {
                await ProfileRow.MeasureAsync(bench, report);
            }

            var text = report.Write(Stopwatch.GetElapsedTime(start));
            Console.WriteLine(text);
            if (settings.Out is { } file)
            {
                await File.WriteAllTextAsync(file, text);
            }

            return 0;
        }
        catch (BenchmarkException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    private static Task MeasureAsync(string row, Bench bench, Report report) =>
        row switch
        {
            "get" => ThroughputRow.GetAsync(bench, report),
            "list" => ThroughputRow.ListAsync(bench, report),
            "create" => ThroughputRow.CreateAsync(bench, report),
            "search" => SearchRow.MeasureAsync(bench, report),
            "tenants" => TenantCountRow.MeasureAsync(bench, report),
            "start" => StartRow.MeasureAsync(bench, report),
            "provisioning" => ProvisioningRow.MeasureAsync(bench, report),
            "many" => ManyTenantsRow.MeasureAsync(bench, report),
            "trips" => RoundTripsRow.MeasureAsync(bench, report),
            _ => throw new BenchmarkException($"There is no row {row}."),
        };
}
