using System.Collections.Concurrent;
using TenantDocs.Operations;

namespace TenantDocs.PostgresTests.Operations;

/// <summary>Ends the worker at chosen points, once each: as a crash would, nothing is written afterwards.</summary>
public sealed class Crashes : FailPoints
{
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _points = new();
    private readonly ConcurrentDictionary<string, (TaskCompletionSource Reached, TaskCompletionSource Release)> _holds =
        new();

    /// <summary>The next worker that comes to this point dies there; the task ends when it has.</summary>
    public Task At(string point)
    {
        var crashed = Source();
        _points[point] = crashed;
        return crashed.Task;
    }

    /// <summary>The next worker that comes to this point sleeps there until it is released.</summary>
    public (Task Reached, Action Release) HoldAt(string point)
    {
        var hold = (Reached: Source(), Release: Source());
        _holds[point] = hold;
        return (hold.Reached.Task, () => hold.Release.TrySetResult());
    }

    public override async ValueTask ReachAsync(string point, CancellationToken cancellationToken)
    {
        if (_holds.TryRemove(point, out var hold))
        {
            hold.Reached.TrySetResult();
            await hold.Release.Task; // deaf to cancellation, as a frozen process is
        }

        if (_points.TryRemove(point, out var crashed))
        {
            crashed.TrySetResult();
            throw new InvalidOperationException($"Crash at {point}, asked for by a test.");
        }
    }

    private static TaskCompletionSource Source() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
