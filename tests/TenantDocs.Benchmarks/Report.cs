using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Npgsql;

namespace TenantDocs.Benchmarks;

/// <summary>One line of the main table.</summary>
/// <param name="Text">What was measured.</param>
/// <param name="Value">What came out.</param>
/// <param name="Bar">What was wanted; empty for what is only shown.</param>
/// <param name="Met">Null where there is no bar.</param>
internal sealed record Figure(string Text, string Value, string Bar, bool? Met);

/// <summary>The Markdown that is committed.</summary>
internal sealed class Report(Settings settings, Version postgres)
{
    private readonly List<Figure> _figures = [];
    private readonly StringBuilder _details = new();

    /// <summary>A figure that must be at least the bar.</summary>
    public void AtLeast(string text, double value, double bar) =>
        _figures.Add(new Figure(text, Number(value), $"≥ {Number(bar)}", value >= bar));

    /// <summary>A figure that must be at most the bar.</summary>
    public void AtMost(string text, double value, double bar, string unit = "") =>
        _figures.Add(new Figure(text, Number(value) + unit, $"≤ {Number(bar)}{unit}", value <= bar));

    /// <summary>A figure beside them.</summary>
    public void Show(string text, string value) => _figures.Add(new Figure(text, value, "", null));

    /// <summary>A section below the table.</summary>
    public void Section(string title, string text) =>
        _details.Append(CultureInfo.InvariantCulture, $"\n## {title}\n\n{text}\n");

    public static string Number(double value) =>
        value switch
        {
            >= 100 => value.ToString("N0", CultureInfo.InvariantCulture),
            >= 10 => value.ToString("0.0", CultureInfo.InvariantCulture),
            _ => value.ToString("0.00", CultureInfo.InvariantCulture),
        };

    public string Write(TimeSpan duration)
    {
        var text = new StringBuilder();
        text.Append(
            CultureInfo.InvariantCulture,
            $"""
            # Benchmark results

            Made by `{settings.Command}`{(
                settings.Quick ? " (quick mode: few short rounds, small data; not to be quoted)" : ""
            )}.

            Machine: {Environment.ProcessorCount} cores, {Cpu()}, {Memory()} GiB memory, {RuntimeInformation.OSDescription.Split(
                ' '
            )[0]};
            PostgreSQL {postgres}, .NET {Environment.Version}, Npgsql {typeof(NpgsqlConnection).Assembly.GetName().Version!.ToString(
                3
            )}.
            The cluster is the embedded one with the settings that users get: fsync, synchronous_commit and full_page_writes on,
            wal_level logical, shared_buffers 64 MB, data checksums; only max_connections is raised to 300, for all hosts together. Driver, host and PostgreSQL share the cores; the driver (blocking sockets,
            a process of its own) costs the same for all. Run time {duration:mm\:ss}.

            Ratios are medians over {settings.Rounds} interleaved rounds of {Number(
                settings.Seconds
            )} s, each against the floor of the same round. Every answer's
            status and length is checked; one wrong answer ends the run.

            | figure | value | bar | |
            |---|---|---|---|

            """
        );
        foreach (var figure in _figures)
        {
            var verdict = figure.Met switch
            {
                true => "met",
                false => "**missed**",
                null => "",
            };
            text.Append(
                CultureInfo.InvariantCulture,
                $"| {figure.Text} | {figure.Value} | {figure.Bar} | {verdict} |\n"
            );
        }

        return text.Append(_details).ToString();
    }

    private static string Cpu()
    {
        var line = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return line?.Split(':')[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    private static string Memory() => Number(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1024.0 * 1024 * 1024));
}

/// <summary>Medians.</summary>
internal static class Statistics
{
    public static double Median(this IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        var middle = sorted.Count / 2;
        return sorted.Count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
