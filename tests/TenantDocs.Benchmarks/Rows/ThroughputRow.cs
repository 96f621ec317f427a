using System.Globalization;
using System.Text;
using System.Text.Json;
using TenantDocs.Benchmarks.Driving;
using TenantDocs.Benchmarks.Hosts;

namespace TenantDocs.Benchmarks.Rows;

/// <summary>GET, list and create over HTTP: the three models and the ways in use today, ÷ the floor.</summary>
internal static class ThroughputRow
{
    private static readonly (string Way, string Name)[] Peers =
    [
        (PeerEndpoints.Filter, "EF Core, query filter"),
        (PeerEndpoints.Pooled, "EF Core, query filter, pooled contexts, compiled queries"),
        (PeerEndpoints.Open, "EF Core, RLS set on open"),
        (PeerEndpoints.Transaction, "EF Core, BEGIN / SET / query / COMMIT"),
    ];

    public static Task GetAsync(Bench bench, Report report) =>
        MeasureAsync(
            bench,
            report,
            "GET by id",
            200,
            2000,
            (0.80, 0.65),
            (tenant, path) => tenant.Documents.Select(d => RequestFile.Get($"{path}/documents/{d}", Key(tenant)))
        );

    public static Task ListAsync(Bench bench, Report report) =>
        MeasureAsync(
            bench,
            report,
            "list of 50",
            200,
            10_000,
            (0.85, 0.85),
            (tenant, path) => [RequestFile.Get($"{path}/documents?limit=50", Key(tenant))]
        );

    public static Task CreateAsync(Bench bench, Report report)
    {
        var bodies = Enumerable
            .Range(0, 100)
            .Select(_ =>
                JsonSerializer.Serialize(
                    new
                    {
                        title = bench.Loader.Corpus.Title(),
                        body = bench.Loader.Corpus.Body(2000),
                        tags = new[] { "alpha", "beta" },
                    }
                )
            )
            .ToList();
        return MeasureAsync(
            bench,
            report,
            "create",
            201,
            2000,
            (0.80, 0.80),
            (tenant, path) => bodies.Select(b => RequestFile.Post($"{path}/documents", Key(tenant), b))
        );
    }

    private static async Task MeasureAsync(
        Bench bench,
        Report report,
        string figure,
        int expect,
        int shortest,
        (double Bar, double Schema) bars,
        Func<LoadedTenant, string, IEnumerable<string>> requests
    )
    {
        var floor = await bench.FloorAsync();
        var api = await bench.ApiAsync();
        var name = figure.Replace(' ', '-');
        var contenders = new List<Contender>
        {
            new("floor", null, floor, Of(floor.Port, bench.FloorTenants, t => $"/plain/{t.Tenant.Id}", "floor")),
        };
        foreach (var (model, bar) in new[] { ("shared", bars.Bar), ("schema", bars.Schema), ("database", bars.Bar) })
        {
            contenders.Add(
                new(model, bar, api.Served, Of(api.Port, await bench.TenantsAsync(model), _ => "/v1", model))
            );
        }

        foreach (var (way, peer) in Peers)
        {
            var tenants = way is PeerEndpoints.Filter or PeerEndpoints.Pooled ? bench.FloorTenants : bench.PeerTenants;
            contenders.Add(new(peer, null, floor, Of(floor.Port, tenants, t => $"/{way}/{t.Tenant.Id}", way)));
        }

        Tell(report, figure, contenders, await Rounds.RunAsync(bench, contenders));

        LoadOrder Of(int port, IReadOnlyList<LoadedTenant> tenants, Func<LoadedTenant, string> path, string kind) =>
            bench.Order(
                port,
                bench.Requests.Write($"{name}-{kind}", tenants.SelectMany(t => requests(t, path(t)))),
                expect,
                shortest
            );
    }

    private static string? Key(LoadedTenant tenant) => tenant.Tenant.Key is { Length: > 0 } key ? key : null;

    private static void Tell(Report report, string figure, List<Contender> contenders, List<Round>[] rounds)
    {
        var table = new StringBuilder(
            "| | requests/s | median µs | ÷ floor | lowest–highest round | CPU µs: host | PostgreSQL | driver | floor's CPU ÷ |\n"
                + "|---|---|---|---|---|---|---|---|---|\n"
        );
        for (var i = 0; i < contenders.Count; i++)
        {
            var mine = rounds[i];
            var ratios = mine.Zip(rounds[0], (m, floor) => m.PerSecond / floor.PerSecond).ToList();
            var ratio = ratios.Median();
            table.Append(
                CultureInfo.InvariantCulture,
                $"| {contenders[i].Name} | {mine.Select(r => r.PerSecond).Median():N0} | {mine.Select(r => r.Count.Median).Median():N0} "
                    + $"| {Report.Number(ratio)} | {Report.Number(ratios.Min())}–{Report.Number(ratios.Max())} "
                    + $"| {mine.Select(r => r.HostCpu).Median():N0} | {mine.Select(r => r.PostgresCpu).Median():N0} | {mine.Select(r => r.DriverCpu).Median():N0} "
                    + $"| {Report.Number(mine.Zip(rounds[0], (m, floor) => floor.Cpu / m.Cpu).Median())} |\n"
            );
            if (contenders[i].Bar is { } bar)
            {
                report.AtLeast($"{figure}, {contenders[i].Name} ÷ floor", ratio, bar);
            }
            else if (i > 0)
            {
                report.Show($"{figure}, {contenders[i].Name} ÷ floor", Report.Number(ratio));
            }
        }

        report.Section($"Throughput: {figure}", table.ToString());
    }
}
