namespace TenantDocs.Tests.Moves;

/// <summary>Everything that can happen next.</summary>
internal static class MoveActions
{
    public static IEnumerable<(string Step, MoveState To)> From(MoveState s, Bug bug)
    {
        foreach (var to in Movers(s, bug).Concat(Applier(s, bug)).Concat(Writers(s, bug)).Concat(Reader(s)))
        {
            yield return to;
        }
    }

    private static IEnumerable<(string, MoveState)> Movers(MoveState s, Bug bug)
    {
        if (s.First is { Dead: false, At: not MoverAt.Done })
        {
            yield return ("the mover dies", s with { First = s.First with { Dead = true } });
            foreach (var (step, to) in Step(s, s.First, bug, (x, m) => x with { First = m }))
            {
                yield return ("mover: " + step, to);
            }
        }

        if (s.Second.Token == 0)
        {
            if (s.First.At is not MoverAt.Done)
            {
                // The first may be dead or only slow: nobody can tell.
                var at = s.Committed ? MoverAt.Leave : MoverAt.Abort;
                var lease = bug.HasFlag(Bug.AbortAsksNobody) ? s.Lease : s.Lease + 1;
                yield return (
                    "the recoverer takes the lease",
                    s with
                    {
                        Lease = lease,
                        Second = new Mover(at, s.Lease + 1),
                    }
                );
            }
        }
        else if (s.Second.At is not MoverAt.Done)
        {
            foreach (var (step, to) in Step(s, s.Second, bug, (x, m) => x with { Second = m }))
            {
                yield return ("recoverer: " + step, to);
            }
        }
    }

    private static IEnumerable<(string, MoveState)> Step(
        MoveState s,
        Mover mover,
        Bug bug,
        Func<MoveState, Mover, MoveState> with
    )
    {
        var holds = mover.Token == s.Lease;
        var inside = Inside(s.One) || Inside(s.Two);
        switch (mover.At)
        {
            case MoverAt.Fence when s.Source is { Fence: Fence.Active, Epoch: 1 }:
                if (!inside)
                {
                    yield return (
                        "fences",
                        with(s, mover with { At = MoverAt.Drain }) with
                        {
                            Source = new Place(Fence.Fenced, 2),
                            Log = s.Log.Add(MoveState.Marker),
                        }
                    );
                }

                break;
            case MoverAt.Fence:
                yield return ("finds another epoch", with(s, mover with { At = MoverAt.Done }));
                break;
            case MoverAt.Drain:
                if (s.Applied > s.Log.IndexOf(MoveState.Marker) || bug.HasFlag(Bug.CommitsBeforeTheMarkerArrived))
                {
                    yield return ("is drained", with(s, mover with { At = MoverAt.Commit }));
                }

                break;
            case MoverAt.Commit when bug.HasFlag(Bug.TargetOpensBeforeTheCommit) && !mover.OpenedEarly:
                yield return (
                    "opens the target too early",
                    with(s, mover with { OpenedEarly = true }) with
                    {
                        Target = new Place(Fence.Active, 2),
                    }
                );
                break;
            case MoverAt.Commit:
                if (!mover.Left && !bug.HasFlag(Bug.TargetOpensBeforeTheSourceCloses))
                {
                    // At the same time as the commit, so before it too.
                    yield return ("closes the source early", Closed(s, with, mover with { Left = true }));
                }

                var may = bug.HasFlag(Bug.CommitComparesNothing) || (holds && !s.Aborted && s.RouteEpoch == 1);
                if (!may)
                {
                    yield return ("may not commit", with(s, mover with { At = MoverAt.Done }));
                    break;
                }

                yield return ("commits", Committed(with(s, mover with { At = Next(mover, bug) })));
                yield return ("commits and hears nothing", Committed(with(s, mover with { At = MoverAt.AskAgain })));
                break;
            case MoverAt.AskAgain when bug.HasFlag(Bug.ALostAnswerMeansNo):
                yield return ("takes it for a no", with(s, mover with { At = MoverAt.Reopen }));
                break;
            case MoverAt.AskAgain:
                yield return ("finds it committed", with(s, mover with { At = Next(mover, bug) }));
                break;
            case MoverAt.Leave:
                var after = bug.HasFlag(Bug.TargetOpensBeforeTheSourceCloses) ? MoverAt.Done : MoverAt.Arrive;
                yield return ("closes the source", Closed(s, with, mover with { At = after }));
                break;
            case MoverAt.Arrive:
                yield return (
                    "opens the target",
                    with(
                        s,
                        mover with
                        {
                            At = bug.HasFlag(Bug.TargetOpensBeforeTheSourceCloses) ? MoverAt.Leave : MoverAt.Done,
                        }
                    ) with
                    {
                        Target = new Place(Fence.Active, 2),
                        LinkClosed = true,
                    }
                );
                break;
            case MoverAt.Abort when bug.HasFlag(Bug.AbortAsksNobody):
                yield return ("aborts by itself", with(s, mover with { At = MoverAt.Reopen }));
                break;
            case MoverAt.Abort when s.Committed:
                yield return ("finds it committed", with(s, mover with { At = MoverAt.Leave }));
                break;
            case MoverAt.Abort:
                yield return (
                    "aborts in the catalog",
                    with(s, mover with { At = MoverAt.Reopen }) with
                    {
                        Aborted = true,
                        RouteEpoch = bug.HasFlag(Bug.AbortKeepsTheEpoch) ? s.RouteEpoch : 3,
                    }
                );
                break;
            case MoverAt.Reopen:
                yield return (
                    "reopens the source",
                    with(s, mover with { At = MoverAt.Done }) with
                    {
                        Source =
                            bug.HasFlag(Bug.AbortKeepsTheEpoch) ? new Place(Fence.Active, 1)
                            : s.Source.Fence is Fence.Moved && bug.HasFlag(Bug.ReopenForgetsWhatWasClosed) ? s.Source
                            : new Place(Fence.Active, 3),
                        RouteEpoch = bug.HasFlag(Bug.AbortAsksNobody) && !s.Committed ? 3 : s.RouteEpoch,
                    }
                );
                break;
        }
    }

    private static MoverAt Next(Mover mover, Bug bug) =>
        mover.Left || bug.HasFlag(Bug.TargetOpensBeforeTheSourceCloses) ? MoverAt.Arrive : MoverAt.Leave;

    private static MoveState Committed(MoveState s) =>
        s with
        {
            Committed = true,
            RouteIsTarget = true,
            RouteEpoch = 2,
        };

    // Only what this move has fenced: an epoch that was taken back since is not its to close.
    private static MoveState Closed(MoveState s, Func<MoveState, Mover, MoveState> with, Mover mover) =>
        with(s, mover) with
        {
            Source = s.Source is { Epoch: 2, Fence: Fence.Fenced or Fence.Moved }
                ? new Place(Fence.Moved, 2)
                : s.Source,
        };

    private static IEnumerable<(string, MoveState)> Applier(MoveState s, Bug bug)
    {
        if (bug.HasFlag(Bug.AcknowledgesBeforeItIsApplied))
        {
            if (s.Sent == s.Applied && s.Sent < s.Log.Count && !s.LinkClosed)
            {
                yield return ("the applier acknowledges", s with { Sent = s.Sent + 1 });
            }

            if (s.Sent > s.Applied && !s.ApplierCrashed)
            {
                // What was acknowledged and not applied does not come again.
                yield return ("the applier dies", s with { ApplierCrashed = true, Applied = s.Sent });
            }

            if (s.Sent <= s.Applied)
            {
                yield break;
            }
        }

        if (s.Applied < s.Log.Count && !s.LinkClosed)
        {
            yield return ("the applier applies", Apply(s));
        }
        else if (bug.HasFlag(Bug.ApplierGoesOnAfterTheArrival) && s.LinkClosed && !s.ApplierCrashed && s.Log.Count > 0)
        {
            // A batch that slept through the arrival comes again.
            var late = s.Log[0];
            if (late != MoveState.Marker)
            {
                yield return ("a late batch", s with { ApplierCrashed = true, OnTarget = s.OnTarget.Add(late) });
            }
        }
    }

    private static MoveState Apply(MoveState s)
    {
        var change = s.Log[s.Applied];
        return s with
        {
            Applied = s.Applied + 1,
            Sent = Math.Max(s.Sent, s.Applied + 1),
            OnTarget = change == MoveState.Marker ? s.OnTarget : s.OnTarget.Add(change),
        };
    }

    private static IEnumerable<(string, MoveState)> Writers(MoveState s, Bug bug) =>
        Write(s, s.One, 1, bug, (x, w) => x with { One = w })
            .Concat(Write(s, s.Two, 2, bug, (x, w) => x with { Two = w }));

    private static IEnumerable<(string, MoveState)> Write(
        MoveState s,
        Writer writer,
        int number,
        Bug bug,
        Func<MoveState, Writer, MoveState> with
    )
    {
        switch (writer.At)
        {
            case 0:
                yield return (
                    $"writer {number} reads the route",
                    with(s, new Writer(1, s.RouteIsTarget, s.RouteEpoch))
                );
                break;
            case 1:
                var place = writer.OnTarget ? s.Target : s.Source;
                var admitted = place.Fence is Fence.Active && place.Epoch == writer.Epoch;
                // Refused: it reads the route again.
                var stale = s.RouteIsTarget != writer.OnTarget || s.RouteEpoch != writer.Epoch;
                if (admitted)
                {
                    yield return (
                        $"writer {number} passes the gate",
                        with(s, writer with { At = bug.HasFlag(Bug.GateReadsBeforeItLocks) ? 3 : 2 })
                    );
                }
                else if (stale)
                {
                    yield return ($"writer {number} is refused", with(s, new Writer(0, false, 0)));
                }

                break;
            case 2:
            case 3:
                var done = writer with { At = 4, Acknowledged = true };
                yield return (
                    $"writer {number} commits",
                    writer.OnTarget
                        ? with(s, done) with
                        {
                            OnTarget = s.OnTarget.Add(number),
                            WriteSeenOnTarget = true,
                        }
                        : with(s, done) with
                        {
                            Log = s.Log.Add(number),
                        }
                );
                break;
        }
    }

    private static IEnumerable<(string, MoveState)> Reader(MoveState s)
    {
        // Somebody whose node still has the old route, after a write at the target was acknowledged.
        if (
            s.WriteSeenOnTarget
            && !s.ReaderSawOld
            && s.Source.Fence is Fence.Active or Fence.Fenced
            && s.WriteSeenOnTarget
        )
        {
            yield return ("a stale reader", s with { ReaderSawOld = true });
        }
    }

    // Holds the tenant's shared lock; with the broken gate (3) it only believes so.
    private static bool Inside(Writer writer) => writer is { At: 2, OnTarget: false };
}
