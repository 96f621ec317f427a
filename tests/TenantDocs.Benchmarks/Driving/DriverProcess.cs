using System.Text.Json;
using TenantDocs.Benchmarks.Hosts;

namespace TenantDocs.Benchmarks.Driving;

/// <summary>The driver as the run sees it.</summary>
internal sealed class DriverProcess : IDisposable
{
    private readonly ChildProcess _process = ChildProcess.Start(ChildProcess.Self, ["drive"], redirectInput: true);

    public int ProcessId => _process.Id;

    /// <summary>One closed loop. Any wrong answer ends the whole run: a figure made of errors is worse than none.</summary>
    public async Task<LoadCount> RunAsync(LoadOrder order)
    {
        var count = await TryAsync(order);
        return count.Errors == 0
            ? count
            : throw new BenchmarkException(
                $"{count.Errors} of {count.Requests} answers were wrong ({order.RequestFile}); the first: {count.FirstError}"
            );
    }

    /// <summary>As <see cref="RunAsync"/>, with the errors in the count.</summary>
    public async Task<LoadCount> TryAsync(LoadOrder order)
    {
        await _process.Input.WriteLineAsync(JsonSerializer.Serialize(order));
        await _process.Input.FlushAsync();
        var line = await _process.ReadLineAsync() ?? throw new BenchmarkException("The driver ended.");
        return JsonSerializer.Deserialize<LoadCount>(line)!;
    }

    public void Dispose() => _process.Dispose();
}
