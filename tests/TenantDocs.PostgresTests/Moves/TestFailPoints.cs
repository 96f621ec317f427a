using System.Collections.Concurrent;
using TenantDocs.Operations;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>Ends or halts the worker at chosen places, once each.</summary>
public sealed class TestFailPoints : FailPoints
{
    private readonly ConcurrentDictionary<string, Func<Task>> _actions = new();

    public ConcurrentQueue<string> Reached { get; } = new();

    /// <summary>A crash: nothing is written afterwards, the lease runs out by itself.</summary>
    public void CrashAt(string point) => At(point, () => throw new LeaseLostException());

    public void At(string point, Func<Task> action) => _actions[point] = action;

    public override async ValueTask ReachAsync(string point, CancellationToken cancellationToken)
    {
        Reached.Enqueue(point);
        if (_actions.TryRemove(point, out var action))
        {
            await action();
        }
    }
}
