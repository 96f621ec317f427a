using System.Globalization;
using TenantDocs.Benchmarks.Stage;

namespace TenantDocs.Benchmarks.Rows;

/// <summary>From the start of the process to ready, with ten thousand tenants in the catalog and the cluster running.</summary>
internal static class StartRow
{
    public static async Task MeasureAsync(Bench bench, Report report)
    {
        using (await ApiHost.StartAsync(bench.Cluster, TenantCountRow.ManyPrefix))
        {
            await TenantCountRow.SeedAsync(bench, TenantCountRow.ManyPrefix, TenantCountRow.Many);
        }

        var times = new List<double>();
        for (var i = 0; i < (bench.Settings.Quick ? 3 : 7); i++)
        {
            using var api = await ApiHost.StartAsync(bench.Cluster, TenantCountRow.ManyPrefix);
            times.Add(api.StartTime.TotalSeconds);
        }

        report.AtMost(
            $"start of the host with {TenantCountRow.Many:N0} tenants in the catalog",
            times.Median(),
            2,
            " s"
        );
        report.Section(
            "Start",
            string.Create(
                CultureInfo.InvariantCulture,
                $"Process start to the first 200 of /health/ready, {times.Count} starts: {Report.Number(times.Min())}–{Report.Number(times.Max())} s.\n"
            )
        );
    }
}
