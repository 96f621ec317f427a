using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>
/// Moves a tenant that is written to and read from over HTTP, and reports what its clients saw: <c>move-demo [--to isolation]
/// [--server name] [--megabytes n] [--moves n] [--writers n] [--readers n] [--rate n] [--seconds n] [--out file]</c>.
/// </summary>
internal sealed class MoveDemo(MoveSettings settings)
{
    private static readonly string[] Parts = ["lock", "drain", "compare", "commit", "leave", "arrive"];

    private readonly Timeline _timeline = new();
    private readonly List<double> _pauses = [];
    private readonly StringBuilder _moves = new(
        $"| move | to | seconds | MB of rows | writes waited ms | {string.Join(" | ", Parts)} |\n|{string.Concat(Enumerable.Repeat("---|", 5 + Parts.Length))}\n"
    );

    /// <summary>Runs it; 0 when nothing was lost, doubled or failed.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            return await new MoveDemo(MoveSettings.Parse("move-demo", args)).RunAsync();
        }
        catch (BenchmarkException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    private async Task<int> RunAsync()
    {
        await using var stage = await MoveStage.StartAsync();
        var report = new MoveReport(settings, stage.Version);
        var tenant = await stage.CreateTenantAsync("mover", "shared");
        var neighbour = await stage.CreateTenantAsync("neighbour", "shared");
        await stage.FillAsync(tenant, settings.Megabytes);
        using var load = new MoveLoad(stage.Port, tenant, settings.Writers, settings.Readers, settings.Rate);
        using var other = new MoveLoad(stage.Port, neighbour, 1, 1, settings.Rate);
        _timeline.Enter(Timeline.WarmUp);
        load.Start();
        other.Start();
        await Task.Delay(TimeSpan.FromSeconds(settings.Seconds));
        _timeline.Enter(Timeline.Before);
        await Task.Delay(TimeSpan.FromSeconds(settings.Seconds));
        var idle = stage.ResidentMiB();
        var last = await MoveAsync(stage, tenant);
        var periods = _timeline.Periods();
        await load.StopAsync();
        await other.StopAsync();
        var (lost, doubled) = await load.JudgeAsync();
        if (MoveStage.HasSucceeded(last))
        {
            await stage.FinalizeAsync(last);
        }

        var tenants = new PhaseLatencies(periods, load.Sent);
        var neighbours = new PhaseLatencies(periods, other.Sent);
        var failed = load.Failed + load.Refused + other.Failed + other.Refused;
        var stale = load.Stale + other.Stale;
        report.Show("acknowledged writes", FigureTable.Number(load.Acknowledged));
        report.AtMost("lost writes", lost, 0);
        report.AtMost("doubled writes", doubled, 0);
        report.AtMost("failed requests", failed, 0);
        report.AtMost("stale reads", stale, 0);
        report.AtLeast("moves that succeeded", _pauses.Count, settings.Moves);
        report.AtMost("write pause, median", _pauses.DefaultIfEmpty(double.NaN).Median(), 20, " ms");
        report.AtMost("write pause, longest", _pauses.DefaultIfEmpty(double.NaN).Max(), 100, " ms");
        report.AtMost("longest single request during a move", tenants.Moving.Quantile(1), 250, " ms");
        report.Show("longest single request with no move going on", Milliseconds(tenants.Resting.Quantile(1)));
        report.AtMost("neighbour's p99 during moves ÷ before them", Ratio(neighbours, Timeline.Before), 1.5);
        report.Show(
            "neighbour's p99 during moves ÷ between and after them",
            FigureTable.Number(Ratio(neighbours, Timeline.Between))
        );
        report.AtMost("host's resident memory while moving, above idle", stage.MostMiB - idle, 150, " MiB");
        report.Show("host's resident memory, idle", FigureTable.Number(idle) + " MiB");
        report.AtMost("slots and publications left", await stage.LeftoversAsync(), 0);
        report.Section("Requests of the tenant, by what was going on", tenants.Table());
        report.Section("Requests of the neighbour", neighbours.Table());
        report.Section("Moves", _moves.ToString());
        await report.WriteAsync(Describe(load, periods));
        return lost + doubled + failed + stale == 0 && _pauses.Count == settings.Moves ? 0 : 1;
    }

    /// <summary>There and back, as often as asked; returns the last move.</summary>
    private async Task<JsonNode> MoveAsync(MoveStage stage, DemoTenant tenant)
    {
        var isHome = true;
        JsonNode move = null!;
        for (var i = 0; i < settings.Moves; i++)
        {
            var started = Stopwatch.GetTimestamp();
            var (isolation, server) = isHome ? (settings.To, settings.Server) : ("shared", "local-1");
            move = await stage.MoveAsync(tenant, isolation, server, _timeline.EnterPhase);
            _timeline.Enter(Timeline.Between);
            var took = Stopwatch.GetElapsedTime(started).TotalSeconds;
            _moves.Append(CultureInfo.InvariantCulture, $"| {i + 1} | {isolation} on {server} | {took:0.0} | ");
            if (MoveStage.HasSucceeded(move))
            {
                var result = move["result"]!;
                isHome = !isHome;
                _pauses.Add((double)result["writePauseMs"]!);
                var parts = Parts.Select(p => (double?)result[p + "Ms"]);
                _moves.Append(
                    CultureInfo.InvariantCulture,
                    $"{(long)result["bytesCopied"]! / 1e6:0.0} | {_pauses[^1]:0.0} | {string.Join(" | ", parts)} |\n"
                );
            }
            else
            {
                _moves.Append(CultureInfo.InvariantCulture, $"{move["status"]}: {move["problem"]?["detail"]} |\n");
            }

            await Console.Error.WriteLineAsync($"move {i + 1}: {move["status"]}");
            await Task.Delay(TimeSpan.FromSeconds(settings.Moves > 1 ? 1 : settings.Seconds));
        }

        return move;
    }

    private string Describe(MoveLoad load, IReadOnlyList<Period> periods)
    {
        var seconds = Stopwatch.GetElapsedTime(periods[0].From, periods[^1].Until).TotalSeconds;
        var clients = settings.Writers + settings.Readers;
        var pace =
            settings.Rate == 0
                ? "each sending its next request when the last one is answered, so the machine is saturated"
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"""
                    each sending {settings.Rate} requests a second at times fixed beforehand ({load.Sent.Count
                        / seconds:0} of {clients * settings.Rate} a second in all were sent); a
                    latency counts from the fixed time, also of what a client could not send for waiting (no coordinated omission), so a
                    millisecond of it is the clients' timers
                    """
                );
        return $"""
            A tenant of {settings.Megabytes} MB goes from shared on `local-1` to {settings.To} on `{settings.Server}` and back, {settings.Moves} moves in all, under {settings.Writers} writers
            and {settings.Readers} readers over HTTP, {pace}. A neighbour in the
            shared tables has one writer and one reader of the same kind. The first {settings.Seconds} s are not counted; then {settings.Seconds} s before the first
            move. A request counts in the phase in which most of its time lay, as told by the events of the operation. Each move but the first
            also removes the home that the one before it kept; PostgreSQL takes a checkpoint for each database that is dropped.
            """;
    }

    private static double Ratio(PhaseLatencies latencies, string phase) =>
        latencies.Moving.Quantile(0.99) / latencies.Of(phase).Quantile(0.99);

    private static string Milliseconds(double value) => FigureTable.Number(value) + " ms";
}
