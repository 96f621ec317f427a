using System.Collections.Immutable;

namespace TenantDocs.Tests.Moves;

/// <summary>Looks at every interleaving of two movers, an applier, two writers and a reader, with crashes anywhere.</summary>
public static class MoveExplorer
{
    /// <summary>Returns how many states there are, or throws with the way to the first one that breaks an invariant.</summary>
    public static int Explore(Bug bug)
    {
        var seen = new Dictionary<string, (string? From, string Step)>(StringComparer.Ordinal)
        {
            [MoveState.Start.Key] = (null, "start"),
        };
        var queue = new Queue<MoveState>([MoveState.Start]);
        while (queue.TryDequeue(out var state))
        {
            var next = MoveActions.From(state, bug).ToList();
            if (Broken(state, isEnd: next.Count == 0) is { } fault)
            {
                throw new InvalidOperationException($"{fault}: {Way(seen, state.Key)}");
            }

            foreach (var (step, to) in next)
            {
                if (seen.TryAdd(to.Key, (state.Key, step)))
                {
                    queue.Enqueue(to);
                }
            }
        }

        return seen.Count;
    }

    private static string? Broken(MoveState s, bool isEnd)
    {
        if (s is { Source.Fence: Fence.Active, Target.Fence: Fence.Active })
        {
            return "two places accept writes";
        }

        if (s is { RouteIsTarget: true, Source.Fence: Fence.Active })
        {
            return "the route names the target and the source is open";
        }

        if (s.Target.Fence is Fence.Active && !s.Committed)
        {
            return "the target is open before the commit";
        }

        if (s.ReaderSawOld)
        {
            return "a reader saw the state before a write that was acknowledged";
        }

        return isEnd ? BrokenAtTheEnd(s) : null;
    }

    private static string? BrokenAtTheEnd(MoveState s)
    {
        var open = new[] { s.Source.Fence, s.Target.Fence }.Count(f => f is Fence.Active);
        if (open != 1)
        {
            return "not exactly one place is open at the end";
        }

        var home =
            s.Target.Fence is Fence.Active ? s.OnTarget : s.Log.Where(w => w != MoveState.Marker).ToImmutableList();
        foreach (var (number, writer) in new[] { (1, s.One), (2, s.Two) })
        {
            var times = home.Count(w => w == number);
            if (writer.Acknowledged && times != 1)
            {
                return $"an acknowledged write is there {times} times";
            }
        }

        return home.Count == home.Distinct().Count() ? null : "a write is there twice";
    }

    private static string Way(Dictionary<string, (string? From, string Step)> seen, string key)
    {
        var steps = new Stack<string>();
        for (string? at = key; at is not null; at = seen[at].From)
        {
            steps.Push(seen[at].Step);
        }

        return string.Join(" → ", steps);
    }
}
