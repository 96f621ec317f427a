using System.Collections.Immutable;

namespace TenantDocs.Tests.Moves;

/// <summary>Mistakes that can be put into the model on purpose; the explorer must find each.</summary>
[Flags]
public enum Bug
{
    None = 0,
    GateReadsBeforeItLocks = 1,
    AcknowledgesBeforeItIsApplied = 2,
    TargetOpensBeforeTheCommit = 4,
    AbortAsksNobody = 8,
    CommitComparesNothing = 16,
    AbortKeepsTheEpoch = 32,
    CommitsBeforeTheMarkerArrived = 64,
    TargetOpensBeforeTheSourceCloses = 128,
    ApplierGoesOnAfterTheArrival = 256,
    ReopenForgetsWhatWasClosed = 512,
    ALostAnswerMeansNo = 1024,
}

public enum Fence
{
    Active,
    Fenced,
    Moved,
    Importing,
}

/// <summary>Where a mover is.</summary>
public enum MoverAt
{
    Fence,
    Drain,
    Commit,
    AskAgain,
    Leave,
    Arrive,
    Abort,
    Reopen,
    Done,
}

public sealed record Place(Fence Fence, int Epoch);

public sealed record Mover(MoverAt At, int Token, bool Dead = false, bool OpenedEarly = false, bool Left = false);

/// <summary>One write: it reads the route, passes the gate there, commits, is acknowledged. Bound to a place once inside.</summary>
public sealed record Writer(int At, bool OnTarget, int Epoch, bool Acknowledged = false);

/// <summary>
/// The whole of a move, small enough that every interleaving can be looked at. Log: the writes in the source's log by number, 9 is the
/// fence's marker; Applied: how much of it is durable on the target; Sent: how much was acknowledged.
/// </summary>
public sealed record MoveState(
    Place Source,
    Place Target,
    bool RouteIsTarget,
    int RouteEpoch,
    int Lease,
    bool Aborted,
    bool Committed,
    ImmutableList<int> Log,
    int Applied,
    int Sent,
    ImmutableList<int> OnTarget,
    bool LinkClosed,
    Mover First,
    Mover Second,
    bool ApplierCrashed,
    Writer One,
    Writer Two,
    bool ReaderSawOld,
    bool WriteSeenOnTarget
)
{
    public const int Marker = 9;

    public static MoveState Start { get; } =
        new(
            new Place(Fence.Active, 1),
            new Place(Fence.Importing, 2),
            false,
            1,
            1,
            false,
            false,
            [],
            0,
            0,
            [],
            false,
            new Mover(MoverAt.Fence, 1),
            // Takes the lease over at any moment, and gives the move up unless it is committed.
            new Mover(MoverAt.Abort, 0),
            false,
            new Writer(0, false, 0),
            new Writer(0, false, 0),
            false,
            false
        );

    public string Key =>
        $"{Source}{Target}{RouteIsTarget}{RouteEpoch}{Lease}{Aborted}{Committed}{string.Join(',', Log)}|{Applied}|{Sent}|"
        + $"{string.Join(',', OnTarget)}{LinkClosed}{First}{Second}{ApplierCrashed}{One}{Two}{ReaderSawOld}{WriteSeenOnTarget}";
}
