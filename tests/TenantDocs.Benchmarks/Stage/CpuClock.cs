using System.Globalization;

namespace TenantDocs.Benchmarks.Stage;

/// <summary>Processor time of processes, from /proc: where a request's time goes, also on a machine that is not quiet.</summary>
internal static class CpuClock
{
    // USER_HZ is 100 on every Linux that .NET runs on.
    private const double MicrosecondsPerTick = 10_000;

    /// <summary>Microseconds that a process has used.</summary>
    public static double Of(int process) => Read(process) is { } stat ? (stat.Own * MicrosecondsPerTick) : 0;

    /// <summary>Microseconds that a PostgreSQL server has used: the postmaster, its children, and those that are gone.</summary>
    public static double OfServer(int postmaster)
    {
        var ticks = Read(postmaster) is { } own ? own.Own + own.Gone : 0;
        foreach (var folder in Directory.GetDirectories("/proc"))
        {
            if (
                int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var process)
                && Read(process) is { } child
                && child.Parent == postmaster
            )
            {
                ticks += child.Own;
            }
        }

        return ticks * MicrosecondsPerTick;
    }

    /// <summary>Microseconds that the runtime of a process has spent on compiling hot methods again, better.</summary>
    public static double OfCompilation(int process) =>
        Directory
            .GetDirectories($"/proc/{process}/task")
            .Where(t => TryReadText($"{t}/comm")?.StartsWith(".NET Tiered", StringComparison.Ordinal) == true)
            .Sum(t => Read($"{t}/stat") is { } stat ? stat.Own * MicrosecondsPerTick : 0);

    private static (int Parent, long Own, long Gone)? Read(int process) => Read($"/proc/{process}/stat");

    private static (int Parent, long Own, long Gone)? Read(string file)
    {
        if (TryReadText(file) is not { } text)
        {
            return null;
        }

        // After the name, which may hold anything: state, parent, …; user and system time are fields 14 and 15 of the line.
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return (
            int.Parse(fields[1], CultureInfo.InvariantCulture),
            Ticks(fields[11]) + Ticks(fields[12]),
            Ticks(fields[13]) + Ticks(fields[14])
        );
    }

    private static string? TryReadText(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // it ended
        }
    }

    private static long Ticks(string field) => long.Parse(field, CultureInfo.InvariantCulture);
}
