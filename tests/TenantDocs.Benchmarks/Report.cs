using System.Globalization;
using System.Text;

namespace TenantDocs.Benchmarks;

/// <summary>The Markdown that is committed.</summary>
internal sealed class Report(Settings settings, Version postgres) : FigureTable("##")
{
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

            {Machine.Describe(postgres)}
            The cluster is the embedded one with the settings that users get: fsync, synchronous_commit and full_page_writes on,
            wal_level logical, shared_buffers 64 MB, data checksums; only max_connections is raised to 300, for all hosts together. Driver, host and PostgreSQL share the cores; the driver (blocking sockets,
            a process of its own) costs the same for all. Run time {duration:mm\:ss}.

            Ratios are medians over {settings.Rounds} interleaved rounds of {Number(
                settings.Seconds
            )} s, each against the floor of the same round. Every answer's
            status and length is checked; one wrong answer ends the run.


            """
        );
        AppendTo(text);
        return text.ToString();
    }
}

/// <summary>Medians and quantiles.</summary>
internal static class Statistics
{
    public static double Median(this IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        var middle = sorted.Count / 2;
        return sorted.Count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /// <summary>Of sorted values; NaN of none.</summary>
    public static double Quantile(this IReadOnlyList<double> sorted, double quantile) =>
        sorted.Count == 0 ? double.NaN : sorted[Math.Min(sorted.Count - 1, (int)(sorted.Count * quantile))];
}
