using System.Diagnostics;
using System.Globalization;
using System.Text;
using TenantDocs.Benchmarks.Stage;

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
        await using var bareTenants = await BareTenants.OpenAsync(bench.Cluster, api.Prefix, model);
        var (product, bare) = (new List<double>(), new List<double>());
        var rounds = bench.Settings.Quick ? 8 : 25;
        for (var i = -2; i < rounds; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await api.CreateTenantAsync($"made-{model}-{i + 2}", model);
            var mine = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            start = Stopwatch.GetTimestamp();
            await bareTenants.MakeAsync($"bare-{model}-{i + 2}");
            var theirs = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            if (i >= 0)
            {
                product.Add(mine);
                bare.Add(theirs);
            }
        }

        return (product.Median(), bare.Median());
    }
}
