using System.Text.Json;
using TenantDocs.Catalog;

namespace TenantDocs.Operations;

/// <summary>Where an operation is.</summary>
public enum OperationStatus
{
    /// <summary>Written down; nobody has taken it yet.</summary>
    Pending,

    /// <summary>A worker holds it, or will resume it.</summary>
    Running,

    /// <summary>It goes on when somebody gives a signal.</summary>
    Waiting,

    /// <summary>Done.</summary>
    Succeeded,

    /// <summary>Given up; what it had made was undone, or is on the sweeper's list.</summary>
    Failed,

    /// <summary>Cancellation was accepted and is being carried out.</summary>
    Cancelling,

    /// <summary>Cancelled; what it had made was undone.</summary>
    Cancelled,
}

/// <summary>How far an operation is.</summary>
/// <param name="Done">So much is done.</param>
/// <param name="Total">Of so much; may grow.</param>
/// <param name="Unit">What is counted: <c>steps</c>, <c>rows</c>, <c>bytes</c>, …</param>
public sealed record OperationProgress(long Done, long Total, string Unit);

/// <summary>A long-running job: an immutable snapshot of its row.</summary>
public sealed record Operation
{
    /// <summary>Identity.</summary>
    public required Guid Id { get; init; }

    /// <summary>Name of its <see cref="OperationType"/>.</summary>
    public required string Type { get; init; }

    /// <summary>The tenant that it works on, if it works on one.</summary>
    public TenantId? Tenant { get; init; }

    /// <summary>That tenant's slug when the operation began.</summary>
    public string? TenantSlug { get; init; }

    /// <summary>Where it is.</summary>
    public required OperationStatus Status { get; init; }

    /// <summary>The phase of its current step; <c>undoing</c> while it takes back what it did.</summary>
    public string? Phase { get; init; }

    /// <summary>All its phases, in order.</summary>
    public required IReadOnlyList<string> Phases { get; init; }

    /// <summary>How far it is.</summary>
    public required OperationProgress Progress { get; init; }

    /// <summary>What was asked for.</summary>
    public required JsonElement Input { get; init; }

    /// <summary>What its steps keep between them.</summary>
    public required JsonElement State { get; init; }

    /// <summary>What came of it.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>Why it failed: <c>code</c> and <c>detail</c> in words.</summary>
    public JsonElement? Problem { get; init; }

    /// <summary>What it tells of its progress besides: kept by its steps as <c>details</c>.</summary>
    public JsonElement? Details { get; init; }

    /// <summary>Whether <see cref="OperationRequests.CancelAsync"/> would be accepted in this phase.</summary>
    public required bool Cancellable { get; init; }

    /// <summary>Who asked for it.</summary>
    public required string RequestedBy { get; init; }

    /// <summary>When it was asked for.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When a worker first took it.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>How many of its steps are completed.</summary>
    public required int Step { get; init; }

    /// <summary>True while it takes back what it did.</summary>
    public required bool Undoing { get; init; }

    /// <summary>Failed or interrupted attempts at the current step.</summary>
    public required int Attempts { get; init; }

    /// <summary>Signals that were given to it: name and payload.</summary>
    public required JsonElement Signals { get; init; }

    /// <summary>The fencing token under which it was last taken.</summary>
    internal long LeaseToken { get; init; }

    /// <summary>True once nothing more happens to it.</summary>
    public bool IsFinished =>
        Status is OperationStatus.Succeeded or OperationStatus.Failed or OperationStatus.Cancelled;

    /// <summary>Reads <see cref="Input"/>.</summary>
    public T InputAs<T>() => OperationJson.Read<T>(Input);
}
