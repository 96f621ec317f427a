using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;
using TenantDocs.Provisioning;

namespace TenantDocs.Moves;

/// <summary>Begins moves, and tells them to switch, to go back or to clear away.</summary>
/// <remarks>
/// Guarantees: the tenant is served all the time by exactly one home; no acknowledged write is lost or doubled; writes
/// wait no longer than the budget, else the move takes itself back. Proof: tests/TenantDocs.PostgresTests/Moves.
/// </remarks>
public sealed class TenantMoves
{
    private const string NoReturn = "TD024";
    private const string NothingToChange = "nothing-to-change";

    private const string HandOverSql = $$"""
        WITH handed AS (
            UPDATE operations AS o
               SET signals = o.signals || jsonb_build_object('{{RetentionOperation.HandOverSignal}}', true),
                   run_after = CASE WHEN o.lease_owner IS NULL THEN now() ELSE o.run_after END
             WHERE o.id = $1 AND o.step = 0 AND o.finished_at IS NULL
               AND NOT o.signals ?| ARRAY['{{RetentionOperation.HandOverSignal}}', '{{RetentionOperation.FinalizeSignal}}']
            RETURNING 1)
        SELECT require((SELECT count(*) FROM handed) = 1, '{{NoReturn}}', 'the way back is closed')
        """;

    private readonly OperationRequests _requests;
    private readonly MoveTools _tools;
    private readonly IOptions<TiersOptions> _tiers;
    private readonly ServerConnections _servers;

    internal TenantMoves(
        OperationRequests requests,
        MoveTools tools,
        IOptions<TiersOptions> tiers,
        ServerConnections servers
    )
    {
        _requests = requests;
        _tools = tools;
        _tiers = tiers;
        _servers = servers;
    }

    /// <summary>
    /// What a move would do, or a change of the tier alone. Changes nothing. 400, 404; 409 <c>nothing-to-change</c>.
    /// </summary>
    public async Task<Result<MovePlan>> PlanAsync(string slug, MoveRequest request, CancellationToken cancellationToken)
    {
        if (await _tools.Catalog.FindBySlugAsync(slug, cancellationToken) is not { } tenant)
        {
            return TenantLifecycle.NoSuchTenant;
        }

        var leg = await LegAsync(tenant, request, cancellationToken);
        return leg.Error is null ? await _tools.Planner.PlanAsync(leg.Value, tenant, own: null, cancellationToken)
            : IsTierOnly(leg.Error, tenant, request) ? PlanTier(tenant, request)
            : leg.Error;
    }

    /// <summary>
    /// Begins a move; where the tier that is asked for has the home that the tenant has, a change of the tier alone. 400, 404;
    /// 409 <c>nothing-to-change</c>, <c>operation-in-progress</c> or what the plan forbids.
    /// </summary>
    public async Task<Result<StartedOperation>> StartAsync(
        string slug,
        MoveRequest request,
        bool dryRun,
        string actor,
        CancellationToken cancellationToken
    )
    {
        if (await _tools.Catalog.FindBySlugAsync(slug, cancellationToken) is not { } tenant)
        {
            return TenantLifecycle.NoSuchTenant;
        }

        var leg = await LegAsync(tenant, request, cancellationToken);
        if (leg.Error is { } error)
        {
            return IsTierOnly(error, tenant, request)
                ? await ChangeTierAsync(tenant, request.Tier!, dryRun, actor, cancellationToken)
                : error;
        }

        if (!dryRun && Forbidden(tenant, leg.Value) is { } forbidden)
        {
            return forbidden;
        }

        var operation = new NewOperation(dryRun ? MovePlanOperation.TypeName : MoveOperation.TypeName, leg.Value, actor)
        {
            Tenant = tenant.Id,
            TenantSlug = tenant.Slug,
            Exclusive = !dryRun,
        };
        return await _requests.StartAsync(operation, cancellationToken);
    }

    /// <summary>Switches a move that was told to wait for it. 404, 409.</summary>
    public Task<Result<Operation>> CutoverAsync(Guid move, CancellationToken cancellationToken) =>
        OnMoveAsync(
            move,
            async operation =>
                operation.IsFinished ? Finished
                : operation.Undoing || operation.Status is OperationStatus.Cancelling ? TakenBack
                : await _requests.SignalAsync(move, ReadyStep.Signal, new { }, cancellationToken),
            cancellationToken
        );

    /// <summary>Gives a move up before its switch. 404, 409.</summary>
    public Task<Result<Operation>> CancelAsync(Guid move, CancellationToken cancellationToken) =>
        OnMoveAsync(move, _ => _requests.CancelAsync(move, cancellationToken), cancellationToken);

    /// <summary>Takes a move back: before its switch that is a cancellation, later an operation of its own. 404, 409.</summary>
    public async Task<Result<Operation>> RollbackAsync(Guid move, string actor, CancellationToken cancellationToken) =>
        await OnMoveAsync(
            move,
            async operation =>
            {
                if (!operation.IsFinished)
                {
                    return await _requests.CancelAsync(move, cancellationToken);
                }

                if (operation.Status is not OperationStatus.Succeeded)
                {
                    return NotMade;
                }

                var kept = await Retention.FindAsync(_tools.Database, _requests, move, cancellationToken);
                if (kept is not null && kept.State.TryGetProperty(RetentionOperation.LostKey, out var lost))
                {
                    return Closed with
                    {
                        Detail = $"The way back of this move is closed. {lost} Move the tenant back instead.",
                    };
                }

                return kept?.InputAs<RetentionInput>() is { Return: { } back } input
                    ? await RollbackAsync(kept.Id, input, back, actor, cancellationToken)
                    : Closed;
            },
            cancellationToken
        );

    /// <summary>Removes at once what a move keeps; from then on it cannot be taken back. 404, 409.</summary>
    public Task<Result<Operation>> FinalizeAsync(Guid move, CancellationToken cancellationToken) =>
        OnMoveAsync(
            move,
            async operation =>
            {
                if (!operation.IsFinished)
                {
                    return new Error(
                        ErrorKind.Conflict,
                        "operation-in-progress",
                        "The move has not ended yet; there is nothing to clear away."
                    );
                }

                var kept = await Retention.FindAsync(_tools.Database, _requests, move, cancellationToken);
                return kept is null
                    ? NothingKept
                    : await _requests.SignalAsync(
                        kept.Id,
                        RetentionOperation.FinalizeSignal,
                        new { },
                        cancellationToken
                    );
            },
            cancellationToken
        );

    private static Error Finished { get; } =
        new(ErrorKind.Conflict, "operation-finished", "The move has ended already.");

    private static Error Closed { get; } =
        new(
            ErrorKind.Conflict,
            "rollback-unavailable",
            "The source of this move is not kept any more, or its way back is closed. Move the tenant back instead."
        );

    private static Error NothingKept { get; } =
        Closed with
        {
            Detail = "Nothing of this move is kept any more; there is nothing to clear away.",
        };

    private static Error NotMade { get; } =
        Closed with
        {
            Detail = "This move did not come to its end: the tenant is where it was, there is nothing to take back.",
        };

    private static Error TakenBack { get; } =
        new(ErrorKind.Conflict, "invalid-state", "The move is being taken back; it does not switch any more.");

    private static bool IsTierOnly(Error error, Tenant tenant, MoveRequest request) =>
        error.Code is NothingToChange && request.Tier is { } tier && tier != tenant.Tier;

    private static MovePlan PlanTier(Tenant tenant, MoveRequest request)
    {
        var home = new MoveSide(tenant.Placement.Isolation, tenant.Placement.Server);
        return new MovePlan
        {
            Tenant = tenant.Slug,
            From = home,
            To = home,
            Method = "tierOnly",
            Tables = [],
            EstimatedSeconds = 0,
            MaxWritePauseMs = 0,
            Blockers = ChangesTier(tenant)
                ? []
                :
                [
                    new(
                        "tenant-state",
                        $"The tenant is {tenant.Status.ToText()}; only an active one can change its tier."
                    ),
                ],
            Notes =
            [
                new(NothingToChange, $"Only the tier changes, from {tenant.Tier} to {request.Tier}; nothing moves."),
            ],
        };
    }

    private static bool ChangesTier(Tenant tenant) => tenant.Status is TenantStatus.Active or TenantStatus.Suspended;

    private async Task<Result<StartedOperation>> ChangeTierAsync(
        Tenant tenant,
        string tier,
        bool dryRun,
        string actor,
        CancellationToken cancellationToken
    ) =>
        ChangesTier(tenant)
            ? await _requests.StartAsync(TierChangeOperation.For(tenant, tier, dryRun, actor), cancellationToken)
            : TenantLifecycle.Refused(tenant, "Only an active or suspended tenant can change its tier.");

    private async Task<Result<Operation>> OnMoveAsync(
        Guid id,
        Func<Operation, Task<Result<Operation>>> act,
        CancellationToken cancellationToken
    ) =>
        await _requests.FindAsync(id, cancellationToken) switch
        {
            null => Error.NotFound,
            { Type: not MoveOperation.TypeName } => new Error(
                ErrorKind.Conflict,
                "not-a-move",
                "This operation is not a move."
            ),
            var operation => await act(operation),
        };

    private async Task<Result<Operation>> RollbackAsync(
        Guid keeping,
        RetentionInput kept,
        MoveLeg back,
        string actor,
        CancellationToken cancellationToken
    )
    {
        var left = kept.KeptUntil - _tools.Time.GetUtcNow();
        var leg = back with
        {
            TokenBase = back.TokenBase + MoveResults.TokensPerOperation,
            KeepSourceFor = left > TimeSpan.Zero ? left : TimeSpan.Zero,
        };
        try
        {
            var started = await _requests.StartAsync(
                new NewOperation(RollbackOperation.TypeName, leg, actor)
                {
                    Tenant = leg.TenantId,
                    TenantSlug = leg.Slug,
                    Objects = kept.Objects,
                },
                cancellationToken,
                Retention.Link(new CatalogWrites().Add(HandOverSql, SqlValue.Of(keeping)), kept.Move, [])
            );
            return started.Match<Result<Operation>>(s => s.Operation, e => e);
        }
        catch (PostgresException e) when (e.SqlState == NoReturn)
        {
            return Closed;
        }
    }

    private async Task<Result<MoveLeg>> LegAsync(
        Tenant tenant,
        MoveRequest request,
        CancellationToken cancellationToken
    )
    {
        if (request.Tier is { } asked && !_tiers.Value.ContainsKey(asked))
        {
            return Error.Invalid("tier", $"No such tier. One of: {string.Join(", ", _tiers.Value.Keys)}.");
        }

        var tier = request.Tier is { } named ? _tiers.Value[named] : null;
        var server = request.Server ?? tier?.Server ?? tenant.Placement.Server;
        if (!_servers.Contains(server))
        {
            return Error.Invalid("server", "No server of this name is registered.");
        }

        var model = request.Isolation ?? tier?.Isolation ?? tenant.Placement.Isolation;
        if (server == tenant.Placement.Server && model == tenant.Placement.Isolation)
        {
            return new Error(
                ErrorKind.Conflict,
                NothingToChange,
                "The tenant already has this isolation on this server; nothing was changed."
            );
        }

        var home = _tools.Isolations[model].PlaceFor(tenant.Id, server, tenant.Placement.Epoch + 1);
        var leg = new MoveLeg(
            Guid.NewGuid(),
            tenant.Id.Value,
            tenant.Slug,
            PlaceText.Of(tenant.Placement),
            PlaceText.Of(home),
            0,
            request.MaxWritePauseMs ?? _tools.Options.MaxWritePauseMs,
            request.AutoCutover,
            request.KeepSourceFor ?? _tools.Options.KeepSourceFor
        )
        {
            Tier = request.Tier,
        };
        // Who wants to say the word, or a way back for some time, is streamed.
        var mayBeHeld = request is { AutoCutover: true, KeepSourceFor: null };
        var held =
            !await _tools.Planner.CanStreamAsync(tenant.Placement, cancellationToken)
            || (mayBeHeld && await _tools.Planner.IsTinyAsync(leg, _tools.Options.UnderFenceBytes, cancellationToken));
        return leg with { UnderFence = held };
    }

    private Error? Forbidden(Tenant tenant, MoveLeg leg)
    {
        var findings = new List<MoveFinding>();
        _tools.Planner.JudgeCatalog(leg, tenant, findings);
        return findings is [var first, ..]
            ? new Error(ErrorKind.Conflict, first.Code, $"{first.Detail} Nothing was changed.")
            : null;
    }
}
