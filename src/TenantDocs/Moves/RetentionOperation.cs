using Microsoft.Extensions.Logging;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>
/// After a move: keeps the home that was left current by a stream in the other direction, so that the move can be taken
/// back; then removes it. Goes on beside other operations of the tenant.
/// </summary>
internal sealed class RetentionOperation(MoveTools tools) : OperationType
{
    public const string TypeName = "moveRetention";

    /// <summary>Remove now what is kept.</summary>
    public const string FinalizeSignal = "finalize";

    /// <summary>A rollback takes over what is kept.</summary>
    public const string HandOverSignal = "handOver";

    /// <summary>Kept when the way back broke.</summary>
    public const string LostKey = "returnLost";

    /// <summary>Kept when nothing of the way back is left but the home.</summary>
    public const string StreamEndedKey = "streamEnded";

    private const string StreamRemovedKey = "streamRemoved";

    /// <summary>Kept: when both homes were last compared.</summary>
    public const string ComparedKey = "comparedAt";

    public override string Name => TypeName;

    public override bool IsLong => true;

    public override IReadOnlyList<OperationStep> Steps(Operation operation) =>
        [new BakeStep(tools), new PurgeStep(tools)];

    public override Task OnLetGoAsync(Operation taken) => tools.Runs.LetGoAsync(taken);

    private abstract class KeepingStep(MoveTools tools) : OperationStep
    {
        private static readonly TimeSpan Later = TimeSpan.FromSeconds(5);

        protected MoveTools Tools => tools;

        public override bool Cancellable => false;

        public override StepFailure OnFailure => StepFailure.KeepTrying;

        /// <summary>
        /// Tries once. A server that is away for hours must not hold the workers of the moves that leave it: this waits in
        /// the queue, not on a worker.
        /// </summary>
        public sealed override async Task<StepOutcome> DoAsync(
            OperationContext context,
            CancellationToken cancellationToken
        )
        {
            try
            {
                return await TryAsync(context, cancellationToken);
            }
            catch (Exception e) when (OperationFaults.IsTransient(e) && !cancellationToken.IsCancellationRequested)
            {
                MoveLog.KeptUnreachable(Tools.Logger, e, context.Input<RetentionInput>().Tenant);
                return StepOutcome.Wait(Later);
            }
        }

        protected abstract Task<StepOutcome> TryAsync(OperationContext context, CancellationToken cancellationToken);

        // Its server was away when the move ended.
        protected async Task RemoveLeftStreamAsync(
            OperationContext context,
            RetentionInput input,
            CancellationToken cancellationToken
        )
        {
            if (input.LeftStream is { } left && !context.Kept<bool>(RetentionInput.LeftStreamKey))
            {
                await Tools.Streams.RemoveAsync(left, input.Kept.ToPlacement(), cancellationToken);
                context.Keep(RetentionInput.LeftStreamKey, true);
            }
        }
    }

    /// <summary>Lets the stream catch up every so often, and holds no worker in between.</summary>
    private sealed class BakeStep(MoveTools tools) : KeepingStep(tools)
    {
        public override string Phase => "baking";

        protected override async Task<StepOutcome> TryAsync(
            OperationContext context,
            CancellationToken cancellationToken
        )
        {
            var input = context.Input<RetentionInput>();
            var left = input.KeptUntil - Tools.Time.GetUtcNow();
            var tenant = await Tools.Catalog.FindAsync(input.TenantId, cancellationToken);
            if (
                context.TryGetSignal(HandOverSignal, out _)
                || context.TryGetSignal(FinalizeSignal, out _)
                || left <= TimeSpan.Zero
                || tenant is null or { Status: TenantStatus.PendingDeletion or TenantStatus.Purged }
            )
            {
                return StepOutcome.Done;
            }

            await RemoveLeftStreamAsync(context, input, cancellationToken);
            if (input.Return is { } back && context.Kept<string>(LostKey) is null)
            {
                using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                enough.CancelAfter(left);
                await FollowAsync(context, back, enough, cancellationToken);
            }
            else if (input.Return is { } lost && !context.Kept<bool>(StreamRemovedKey))
            {
                await RemoveStreamAsync(context, lost, cancellationToken);
            }

            return StepOutcome.Wait(left < Tools.Options.ReturnInterval ? left : Tools.Options.ReturnInterval);
        }

        // Until it is gone, its slot keeps the log of the server that serves the tenant.
        private async Task RemoveStreamAsync(
            OperationContext context,
            MoveLeg back,
            CancellationToken cancellationToken
        )
        {
            await Tools.Streams.RemoveAsync(back.Link, back.Source, cancellationToken);
            context.Keep(StreamRemovedKey, true);
        }

        // Writers may be faster than the stream for as long as they like: nobody who wants the keeping to end waits for it.
        private async Task FollowAsync(
            OperationContext context,
            MoveLeg back,
            CancellationTokenSource enough,
            CancellationToken cancellationToken
        )
        {
            var told = context.HearAsync([HandOverSignal, FinalizeSignal], enough.Token);
            var work = CatchUpAsync(context, back, enough.Token);
            await Task.WhenAny(told, work);
            await enough.CancelAsync();
            await Task.WhenAll(told, work).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (var part in new[] { told, work })
            {
                try
                {
                    await part;
                }
                catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
                {
                    // The other one came first, or the time of keeping is over.
                }
            }
        }

        private async Task CatchUpAsync(OperationContext context, MoveLeg back, CancellationToken cancellationToken)
        {
            try
            {
                var run = await Tools.RunAsync(context, back, cancellationToken);
                run.Follow(back.Start!.Value);
                await run.CatchUpAsync(() => Task.CompletedTask, cancellationToken);
                context.Keep("caughtUpAt", Tools.Time.GetUtcNow());
                await CompareAsync(context, run, cancellationToken);
            }
            catch (PostgresException e) when (e.SqlState == MoveSqlState.LinkLost)
            {
                throw new LeaseLostException();
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && MoveLink.IsFinal(e))
            {
                // The tenant is served where it is; only the way back is closed. The slot must not keep the log for ever.
                MoveLog.ReturnLost(Tools.Logger, e, back.Tenant);
                context.Keep(
                    LostKey,
                    e is MoveFaultException or DiskFullException ? e.Message : "The stream back ended."
                );
                await Tools.Runs.ReleaseAsync(context.Operation.Id);
                var move = context.Input<RetentionInput>().Move;
                var links = Retention.Links(move, hasReturn: false);
                await context.SaveAsync(cancellationToken, Retention.Link(new CatalogWrites(), move, links));
                await RemoveStreamAsync(context, back, cancellationToken);
            }
            finally
            {
                await Tools.Runs.ReleaseAsync(context.Operation.Id);
            }
        }

        // A kept home that is not the same is no way back: better known now than when it is needed.
        private async Task CompareAsync(OperationContext context, MoveRun run, CancellationToken cancellationToken)
        {
            var now = Tools.Time.GetUtcNow();
            var last = context.Kept<DateTimeOffset?>(ComparedKey) ?? context.Operation.CreatedAt;
            if (Tools.Options.CompareInterval <= TimeSpan.Zero || now - last < Tools.Options.CompareInterval)
            {
                return;
            }

            try
            {
                var tables = await run.VerifyAsync(_ => Task.CompletedTask, cancellationToken);
                if (tables.FirstOrDefault(t => !t.Equal) is { } other)
                {
                    throw new MoveFaultException(
                        $"The kept home differs in '{other.Name}': {string.Join(", ", other.Differences)}."
                    );
                }
            }
            catch (TimeoutException)
            {
                // A long transaction of the tenant: it is compared the next time.
            }

            context.Keep(ComparedKey, now);
        }
    }

    /// <summary>Removes stream and home, unless a rollback has them.</summary>
    private sealed class PurgeStep(MoveTools tools) : KeepingStep(tools)
    {
        public override string Phase => "purged";

        protected override async Task<StepOutcome> TryAsync(
            OperationContext context,
            CancellationToken cancellationToken
        )
        {
            var input = context.Input<RetentionInput>();
            await RemoveLeftStreamAsync(context, input, cancellationToken);
            if (context.TryGetSignal(HandOverSignal, out _))
            {
                context.SetResult(new { handedOver = true });
                return StepOutcome.Done;
            }

            if (input.Return is { } back)
            {
                await Tools.Streams.RemoveAsync(back.Link, back.Source, cancellationToken);
            }

            if (!context.Kept<bool>(StreamEndedKey))
            {
                // From here on it is in nobody's way but of a move to the same place.
                context.Keep(StreamEndedKey, true);
                await context.SaveAsync(cancellationToken);
            }

            await EnsureLeftAsync(input, cancellationToken);
            try
            {
                await Tools.Homes.RemoveLeftAsync(
                    OperationObject.HomeOf(input.TenantId, input.Kept.ToPlacement()),
                    input.TenantId,
                    cancellationToken
                );
            }
            catch (PostgresException e) when (e.SqlState == TenantSqlState.ServedHere)
            {
                throw Refused();
            }

            foreach (var planned in input.Objects)
            {
                context.Settle(planned, kept: false);
            }

            Retention.Link(context.OnCompletion, input.Move, []);
            context.SetResult(new { removedAt = Tools.Time.GetUtcNow() });
            return StepOutcome.Done;
        }

        // The last look before data goes: the catalog names another home, and the place itself says that it was left.
        private async Task EnsureLeftAsync(RetentionInput input, CancellationToken cancellationToken)
        {
            var kept = input.Kept.ToPlacement();
            var tenant = await Tools.Catalog.FindAsync(input.TenantId, cancellationToken);
            if (tenant is { Placement: var home } && home.Server == kept.Server && home.Database == kept.Database)
            {
                throw Refused();
            }

            try
            {
                var leg = new MoveLeg(input.Move, input.Tenant, "", input.Kept, input.Kept, 0, 0, true, TimeSpan.Zero);
                await using var connection = await Tools.OpenAsync(leg, kept, cancellationToken);
                if (
                    await MoveFence.ReadAsync(connection, input.TenantId, cancellationToken) is { } fence
                    && (fence.State is not ("moved" or "standby") || fence.Epoch > tenant?.Placement.Epoch)
                )
                {
                    throw Refused();
                }
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName)
            {
                // Removed before: nothing to lose.
            }
        }

        private static OperationFailedException Refused() =>
            new(
                new Error(
                    ErrorKind.Conflict,
                    "not-left",
                    "What was to be removed looks like the tenant's home; nothing was removed."
                )
            );
    }
}

/// <summary>What moves log.</summary>
internal static partial class MoveLog
{
    [LoggerMessage(5003, LogLevel.Error, "The way back of a move is closed: its stream broke (tenant {Tenant}).")]
    public static partial void ReturnLost(ILogger logger, Exception exception, Guid tenant);

    [LoggerMessage(
        5004,
        LogLevel.Warning,
        "A home that was left cannot be reached; it is tried again later (tenant {Tenant})."
    )]
    public static partial void KeptUnreachable(ILogger logger, Exception exception, Guid tenant);

    [LoggerMessage(
        5005,
        LogLevel.Warning,
        "Other nodes could not be asked to slow a moving tenant's writers down (tenant {Tenant})."
    )]
    public static partial void PaceUnheard(ILogger logger, Exception exception, Guid tenant);
}
