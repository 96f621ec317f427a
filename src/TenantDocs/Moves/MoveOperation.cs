using TenantDocs.Catalog;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>Moves a live tenant from one home to another.</summary>
internal sealed class MoveOperation(MoveTools tools) : OperationType
{
    public const string TypeName = "move";

    public override string Name => TypeName;

    public override bool IsLong => true;

    public override IReadOnlyList<OperationStep> Steps(Operation operation) =>
        operation.InputAs<MoveLeg>().UnderFence
            ? [new PlanStep(tools), new PrepareStep(tools), new FencedCopyStep(tools), new ActivateStep(tools)]
            :
            [
                new PlanStep(tools),
                new PrepareStep(tools),
                new CopyStep(tools),
                new CatchUpStep(tools),
                new VerifyStep(tools),
                new ReadyStep(tools),
                new CutoverStep(tools),
                new ActivateStep(tools),
            ];

    public override void OnSucceeded(OperationContext context, CatalogWrites writes)
    {
        var leg = context.Input<MoveLeg>();
        var back = context.Kept<ReturnPath>(ReturnPath.Key);
        var until = tools.Time.GetUtcNow() + leg.KeepSourceFor;
        context.Settle(OperationObject.HomeOf(leg.TenantId, leg.Target), kept: true);
        var left = context.Kept<bool>(RetentionInput.LeftStreamKey);
        MoveResults.SettleStream(context, leg.Link, leg.Source, kept: left);
        if (back is not null)
        {
            MoveResults.SettleStream(context, back.Link, leg.Target, kept: true);
        }

        Retention.Begin(
            writes,
            new RetentionInput(
                context.Operation.Id,
                leg.Tenant,
                leg.Slug,
                leg.From,
                until,
                back is null ? null : Return(leg, back, context.Operation.Id)
            )
            {
                LeftStream = left ? leg.Link : null,
            },
            context.Operation.RequestedBy
        );
        context.SetResult(MoveResults.Of(context, leg, until, Retention.Links(context.Operation.Id, back is not null)));
    }

    public override Task OnLetGoAsync(Operation taken) => tools.Runs.LetGoAsync(taken);

    // The same way in the other direction, one epoch later; its tokens are above those of the keeping.
    private static MoveLeg Return(MoveLeg leg, ReturnPath back, Guid move) =>
        leg with
        {
            Link = back.Link,
            From = leg.To,
            To = leg.From with { Epoch = leg.To.Epoch + 1 },
            TokenBase = MoveResults.TokensPerOperation,
            AutoCutover = true,
            KeepSourceFor = TimeSpan.Zero,
            Tier = null,
            Start = back.Start,
            Undoes = move,
            CanReturn = false,
        };
}

/// <summary>Takes a move back over the stream that kept its source current: the same steps, without a copy.</summary>
internal sealed class RollbackOperation(MoveTools tools) : OperationType
{
    public const string TypeName = "rollback";

    public override string Name => TypeName;

    public override bool IsLong => true;

    public override IReadOnlyList<OperationStep> Steps(Operation operation) =>
        [
            new AdoptStep(tools),
            new CatchUpStep(tools),
            new VerifyStep(tools),
            new ReadyStep(tools),
            new CutoverStep(tools),
            new ActivateStep(tools),
        ];

    public override void OnSucceeded(OperationContext context, CatalogWrites writes)
    {
        var leg = context.Input<MoveLeg>();
        var now = tools.Time.GetUtcNow();
        context.Settle(OperationObject.HomeOf(leg.TenantId, leg.Target), kept: true);
        var left = context.Kept<bool>(RetentionInput.LeftStreamKey);
        MoveResults.SettleStream(context, leg.Link, leg.Source, kept: left);
        // What the move had made goes at once: nothing leads back there.
        Retention.Begin(
            writes,
            new RetentionInput(context.Operation.Id, leg.Tenant, leg.Slug, leg.From, now, null)
            {
                LeftStream = left ? leg.Link : null,
            },
            context.Operation.RequestedBy
        );
        context.SetResult(MoveResults.Of(context, leg, now, links: []));
    }

    public override Task OnLetGoAsync(Operation taken) => tools.Runs.LetGoAsync(taken);

    public override void OnGivenUp(OperationContext context, OperationStatus status, CatalogWrites writes)
    {
        var leg = context.Input<MoveLeg>();
        // The tenant stays where it is, under a newer epoch, and the way back stays open as long as it was to be.
        var again = leg with
        {
            From = leg.From with { Epoch = leg.AbortEpoch },
            To = leg.To with { Epoch = leg.AbortEpoch + 1 },
            TokenBase = leg.TokenBase + MoveResults.TokensPerOperation,
        };
        // One that was cancelled before its first step has not said it yet.
        var until =
            context.Kept<DateTimeOffset?>(AdoptStep.UntilKey) ?? context.Operation.CreatedAt + leg.KeepSourceFor;
        var input = new RetentionInput(leg.Undoes!.Value, leg.Tenant, leg.Slug, leg.To, until, again);
        foreach (var planned in input.Objects)
        {
            context.Settle(planned, kept: true);
        }

        Retention.Begin(writes, input, context.Operation.RequestedBy);
    }
}

/// <summary>Takes the stream over from the keeping.</summary>
internal sealed class AdoptStep(MoveTools tools) : MoveStep(tools)
{
    public const string UntilKey = "keptUntil";

    public override string Phase => "prepared";

    public override async Task UndoAsync(OperationContext context, CancellationToken cancellationToken)
    {
        await MoveAbort.AbortAsync(Tools, context, context.Input<MoveLeg>(), cancellationToken);
        await Tools.Runs.ReleaseAsync(context.Operation.Id);
    }

    protected override async Task<StepOutcome> DoAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        context.Keep(UntilKey, Tools.Time.GetUtcNow() + leg.KeepSourceFor);
        await FollowAsync(context, leg, cancellationToken);
        return StepOutcome.Done;
    }
}

/// <summary>What moves tell when they have ended.</summary>
internal static class MoveResults
{
    /// <summary>Fencing tokens that one operation may use up on a stream.</summary>
    public const long TokensPerOperation = 1_000_000_000;

    public static object Of(
        OperationContext context,
        MoveLeg leg,
        DateTimeOffset until,
        Dictionary<string, string> links
    )
    {
        var pause = context.Kept<Pause>(Pause.Key)!;
        var ends = context.Kept<SwitchTimes>(SwitchTimes.Key);
        var copied = context.Kept<CopyResult>("copied");
        var tables = context.Kept<IReadOnlyList<TableVerification>>("verification") ?? [];
        var details = context.Kept<MoveDetails>(MoveDetails.Key) ?? new MoveDetails();
        context.Keep(
            MoveDetails.Key,
            details with
            {
                Changes = pause.Changes,
                PauseUsedMs = Math.Round(context.Kept<double>("writePauseMs"), 1),
            }
        );
        return new
        {
            writePauseMs = Math.Round(context.Kept<double>("writePauseMs"), 1),
            lockMs = Math.Round(pause.LockMs, 1),
            drainMs = Math.Round(pause.DrainMs, 1),
            compareMs = Math.Round(pause.CompareMs, 1),
            commitMs = Rounded(ends?.CommitMs),
            leaveMs = Rounded(ends?.LeaveMs),
            arriveMs = Rounded(ends?.ArriveMs),
            rowsCopied = copied?.Rows ?? 0,
            bytesCopied = copied?.Bytes ?? 0,
            changesStreamed = pause.Changes,
            verification = new
            {
                tables = tables.Select(t => new
                {
                    name = t.Name,
                    rows = t.Rows,
                    sourceHash = t.SourceHash,
                    targetHash = t.TargetHash,
                }),
                equal = tables.Count > 0 && tables.All(t => t.Equal),
            },
            sourceKeptUntil = until,
            epoch = leg.To.Epoch,
            links,
        };
    }

    private static double? Rounded(double? milliseconds) => milliseconds is { } value ? Math.Round(value, 1) : null;

    public static void SettleStream(OperationContext context, Guid link, Placement place, bool kept)
    {
        foreach (var planned in StreamObjects.ObjectsOf(link, place))
        {
            context.Settle(planned, kept);
        }
    }
}
