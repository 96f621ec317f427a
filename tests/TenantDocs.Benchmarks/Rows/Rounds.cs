using System.Diagnostics;
using TenantDocs.Benchmarks.Driving;
using TenantDocs.Benchmarks.Hosts;
using TenantDocs.Benchmarks.Stage;

namespace TenantDocs.Benchmarks.Rows;

/// <summary>Something under load in the rounds.</summary>
/// <param name="Name">In the report.</param>
/// <param name="Bar">Of its ratio; null for what is only shown.</param>
/// <param name="Host">What answers.</param>
/// <param name="Order">The load.</param>
internal sealed record Contender(string Name, double? Bar, ServedHost Host, LoadOrder Order);

/// <summary>A host under load.</summary>
internal sealed record ServedHost(ChildProcess Process, int Port);

/// <summary>One round of one contender; processor times in microseconds per request.</summary>
internal sealed record Round(LoadCount Count, double HostCpu, double PostgresCpu, double DriverCpu)
{
    public double PerSecond => Count.PerSecond;

    public double Cpu => HostCpu + PostgresCpu + DriverCpu;
}

/// <summary>Interleaved rounds: A, B, C, A, B, C, … so that what else happens on the machine hits all alike.</summary>
internal static class Rounds
{
    public static async Task<List<Round>[]> RunAsync(Bench bench, IReadOnlyList<Contender> contenders)
    {
        foreach (var contender in contenders)
        {
            await WarmAsync(bench, contender);
        }

        var rounds = contenders.Select(_ => new List<Round>()).ToArray();
        for (var round = 0; round < bench.Settings.Rounds; round++)
        {
            for (var i = 0; i < contenders.Count; i++)
            {
                rounds[i].Add(await RunAsync(bench, contenders[i]));
            }
        }

        return rounds;
    }

    /// <summary>
    /// Until the runtime has compiled the hot methods for good: before that, a host with more code than another looks slower
    /// than it is.
    /// </summary>
    private static async Task WarmAsync(Bench bench, Contender contender)
    {
        var process = contender.Host.Process.Id;
        var (start, quiet) = (Stopwatch.GetTimestamp(), 0);
        while (quiet < 2 && Stopwatch.GetElapsedTime(start) < bench.Settings.LongestWarmUp)
        {
            var before = (Compilation: CpuClock.OfCompilation(process), All: CpuClock.Of(process));
            await bench.Driver.RunAsync(contender.Order with { Seconds = 1.5 });
            var compilation = CpuClock.OfCompilation(process) - before.Compilation;
            quiet = compilation < 0.03 * (CpuClock.Of(process) - before.All) ? quiet + 1 : 0;
        }
    }

    private static async Task<Round> RunAsync(Bench bench, Contender contender)
    {
        var before = Read(bench, contender);
        var count = await bench.Driver.RunAsync(contender.Order);
        var after = Read(bench, contender);
        return new Round(
            count,
            (after.Host - before.Host) / count.Requests,
            (after.Postgres - before.Postgres) / count.Requests,
            (after.Driver - before.Driver) / count.Requests
        );
    }

    private static (double Host, double Postgres, double Driver) Read(Bench bench, Contender contender) =>
        (
            CpuClock.Of(contender.Host.Process.Id),
            CpuClock.OfServer(bench.Cluster.ProcessId),
            CpuClock.Of(bench.Driver.ProcessId)
        );
}
