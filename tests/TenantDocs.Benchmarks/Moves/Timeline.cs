using System.Collections.Concurrent;
using System.Diagnostics;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>What was going on when.</summary>
internal sealed class Timeline
{
    /// <summary>Before the figures begin: what runs for the first time is slow.</summary>
    public const string WarmUp = "warm-up";

    public const string Before = "before the first move";

    public const string Between = "between moves and after them";

    private readonly ConcurrentQueue<(long At, string Name, bool IsMove)> _changes = new();

    /// <summary>No move is going on.</summary>
    public void Enter(string name) => _changes.Enqueue((Stopwatch.GetTimestamp(), name, false));

    /// <summary>A move is in this phase.</summary>
    public void EnterPhase(string phase) => _changes.Enqueue((Stopwatch.GetTimestamp(), phase, true));

    /// <summary>All periods so far, in order; the last one lasts until now.</summary>
    public IReadOnlyList<Period> Periods()
    {
        var changes = _changes.ToList();
        return
        [
            .. changes.Select(
                (c, i) =>
                    new Period(
                        c.Name,
                        c.IsMove,
                        c.At,
                        i + 1 < changes.Count ? changes[i + 1].At : Stopwatch.GetTimestamp()
                    )
            ),
        ];
    }
}

/// <summary>A time during which one thing was going on.</summary>
internal sealed record Period(string Name, bool IsMove, long From, long Until)
{
    /// <summary>How much of a request's time lies in it.</summary>
    public long Overlap(long from, long until) => Math.Min(until, Until) - Math.Max(from, From);
}
