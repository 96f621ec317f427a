using System.Globalization;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>
/// Moves a tenant that is written to and read from over HTTP, and reports what its clients saw:
/// <c>move-demo [--to isolation] [--server name] [--megabytes n] [--moves n] [--writers n] [--readers n]</c>.
/// </summary>
internal sealed class MoveDemo(MoveDemoOptions options)
{
    /// <summary>Runs it; 0 when nothing was lost, doubled or failed.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            return await new MoveDemo(MoveDemoOptions.Parse(args)).RunAsync();
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
        var tenant = await stage.CreateTenantAsync("mover", "shared");
        var neighbour = await stage.CreateTenantAsync("neighbour", "shared");
        await stage.FillAsync(tenant, options.Megabytes);
        using var load = new MoveLoad(stage.Port, tenant, options.Writers, options.Readers);
        using var other = new MoveLoad(stage.Port, neighbour, 1, 1);
        var (idle, most) = (stage.ResidentMiB(), 0.0);
        load.Start();
        other.Start();
        var pauses = new List<double>();
        await Task.Delay(TimeSpan.FromSeconds(options.Seconds));
        for (var i = 0; i < options.Moves; i++)
        {
            var there = i % 2 == 0;
            var result = await stage.MoveAsync(
                tenant,
                there ? options.To : "shared",
                there ? options.Server : "local-1",
                phase =>
                {
                    load.Enter($"during {phase}");
                    other.Enter($"during {phase}");
                    most = Math.Max(most, stage.ResidentMiB());
                }
            );
            pauses.Add((double)result["writePauseMs"]!);
            Say($"move {i + 1}: {result.ToJsonString()}");
            load.Enter("after");
            other.Enter("after");
            await Task.Delay(TimeSpan.FromSeconds(options.Moves > 1 ? 1 : options.Seconds));
        }

        await load.StopAsync();
        await other.StopAsync();
        var lost = await load.JudgeAsync();
        Report(load, "tenant");
        Report(other, "neighbour");
        var sorted = pauses.Order().ToList();
        Say($"write pause ms: p50 {Of(sorted, 0.5)}, max {Of(sorted, 1)} over {pauses.Count} moves");
        Say(
            $"acknowledged {load.Acknowledged}, lost {lost.Lost}, doubled {lost.Doubled}, failed {load.Failed + other.Failed}, "
                + $"stale reads {load.Stale}"
        );
        Say($"host resident MiB: {idle:0} before, {most:0} at most while moving");
        return lost is { Lost: 0, Doubled: 0 } && load.Failed + other.Failed + load.Stale == 0 ? 0 : 1;
    }

    private static void Report(MoveLoad load, string who)
    {
        foreach (var phase in new[] { "before", "during", "after" }.Concat(load.Phases))
        {
            var times = load.Latencies(phase);
            Say(
                $"{who} {phase}: {times.Count} requests, ms p50 {Of(times, 0.5)}, p99 {Of(times, 0.99)}, max {Of(times, 1)}"
            );
        }
    }

    private static string Of(IReadOnlyList<double> sorted, double quantile) =>
        sorted.Count == 0
            ? "-"
            : sorted[Math.Min(sorted.Count - 1, (int)(sorted.Count * quantile))]
                .ToString("0.0", CultureInfo.InvariantCulture);

    private static void Say(string text) => Console.WriteLine(text);
}

/// <summary>What the demo is asked for.</summary>
internal sealed record MoveDemoOptions
{
    public string To { get; init; } = "database";

    public string Server { get; init; } = "local-2";

    public int Megabytes { get; init; } = 5;

    public int Moves { get; init; } = 1;

    public int Writers { get; init; } = 8;

    public int Readers { get; init; } = 8;

    public int Seconds { get; init; } = 5;

    public static MoveDemoOptions Parse(string[] args)
    {
        var options = new MoveDemoOptions();
        for (var i = 0; i + 1 < args.Length; i += 2)
        {
            var value = args[i + 1];
            options = args[i] switch
            {
                "--to" => options with { To = value },
                "--server" => options with { Server = value },
                "--megabytes" => options with { Megabytes = Number(value) },
                "--moves" => options with { Moves = Number(value) },
                "--writers" => options with { Writers = Number(value) },
                "--readers" => options with { Readers = Number(value) },
                "--seconds" => options with { Seconds = Number(value) },
                var other => throw new BenchmarkException($"There is no option '{other}'."),
            };
        }

        return options;
    }

    private static int Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new BenchmarkException($"'{text}' is not a whole number.");
}
