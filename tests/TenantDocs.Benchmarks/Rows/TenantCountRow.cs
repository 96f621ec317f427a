using System.Globalization;
using System.Text;
using TenantDocs.Benchmarks.Driving;
using TenantDocs.Benchmarks.Stage;

namespace TenantDocs.Benchmarks.Rows;

/// <summary>The same number of documents in two platforms: one with ten shared tenants, one with ten thousand.</summary>
internal static class TenantCountRow
{
    public const string ManyPrefix = "bench_many";
    public const int Many = 10_000;
    private const string FewPrefix = "bench_few";

    public static async Task MeasureAsync(Bench bench, Report report)
    {
        var documents = bench.Settings.Quick ? 10_000 : 100_000;
        var contenders = new List<Contender>();
        foreach (var (prefix, tenants) in new[] { (FewPrefix, 10), (ManyPrefix, Many) })
        {
            var api = bench.Keep(await ApiHost.StartAsync(bench.Cluster, prefix));
            var seeded = await SeedAsync(bench, prefix, tenants);
            var rows = await bench.Loader.LoadAsync(
                $"{prefix}_shared",
                "shared",
                seeded.Select(t => (t.Id, documents / tenants)),
                rebuild: true
            );
            var keys = seeded.ToDictionary(t => t.Id, t => t.Key);
            var file = bench.Requests.Write(
                prefix,
                rows.Select(r => RequestFile.Get($"/v1/documents/{r.Id}", keys[r.Owner]))
            );
            contenders.Add(
                new Contender($"{tenants:N0} tenants", null, api.Served, bench.Order(api.Port, file, 200, 2000))
            );
        }

        var counts = await Rounds.RunAsync(bench, contenders);
        var medians = counts[1].Zip(counts[0], (many, few) => many.Count.Median / few.Count.Median).ToList();
        report.AtMost($"median GET with {Many:N0} shared tenants ÷ with 10", medians.Median(), 1.15);
        var table = new StringBuilder("| | requests/s | median µs | 99 % µs |\n|---|---|---|---|\n");
        for (var i = 0; i < contenders.Count; i++)
        {
            table.Append(
                CultureInfo.InvariantCulture,
                $"| {contenders[i].Name}, {documents:N0} documents in all | {counts[i].Select(c => c.PerSecond).Median():N0} "
                    + $"| {counts[i].Select(c => c.Count.Median).Median():N0} | {counts[i].Select(c => c.Count.Percentile99).Median():N0} |\n"
            );
        }

        report.Section("Number of tenants", table.ToString());
    }

    /// <summary>Seeds a platform unless an earlier row did.</summary>
    public static async Task<IReadOnlyList<BenchTenant>> SeedAsync(Bench bench, string prefix, int tenants)
    {
        if (!bench.Seeded.TryGetValue(prefix, out var seeded))
        {
            bench.Seeded[prefix] = seeded = await Seeder.SeedAsync(bench.Cluster, prefix, tenants);
        }

        return seeded;
    }
}
