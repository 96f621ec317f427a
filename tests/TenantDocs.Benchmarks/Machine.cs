using System.Runtime.InteropServices;
using Npgsql;

namespace TenantDocs.Benchmarks;

/// <summary>What was measured on.</summary>
internal static class Machine
{
    /// <summary>Hardware, system and versions; two lines.</summary>
    public static string Describe(Version postgres) =>
        $"""
            Machine: {Environment.ProcessorCount} cores, {Cpu()}, {Memory()} GiB memory, {RuntimeInformation.OSDescription.Split(
                ' '
            )[0]};
            PostgreSQL {postgres}, .NET {Environment.Version}, Npgsql {typeof(NpgsqlConnection).Assembly.GetName().Version!.ToString(
                3
            )}.
            """;

    /// <summary>The load average of the last minute: whether something else was running.</summary>
    public static string Load() =>
        File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : "unknown";

    private static string Cpu()
    {
        var line = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return line?.Split(':')[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    private static string Memory() =>
        FigureTable.Number(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1024.0 * 1024 * 1024));
}
