using System.Text.Json;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Provisioning;

/// <summary>What a purge was asked to remove; kept with the operation.</summary>
/// <param name="Tenant">Identity.</param>
/// <param name="Slug">Slug.</param>
/// <param name="Name">Name.</param>
/// <param name="Isolation">Model.</param>
/// <param name="Server">Server.</param>
/// <param name="Database">Database.</param>
/// <param name="Schema">Schema.</param>
/// <param name="Epoch">Epoch.</param>
internal sealed record PurgeInput(
    Guid Tenant,
    string Slug,
    string Name,
    IsolationModel Isolation,
    string Server,
    string Database,
    string Schema,
    long Epoch
)
{
    public static PurgeInput Of(Tenant tenant) =>
        new(
            tenant.Id.Value,
            tenant.Slug,
            tenant.Name,
            tenant.Placement.Isolation,
            tenant.Placement.Server,
            tenant.Placement.Database.Name,
            tenant.Placement.Schema.Name,
            tenant.Placement.Epoch
        );

    public TenantId TenantId => new(Tenant);

    public Placement Home => new(Isolation, Server, new PgIdentifier(Database), new PgIdentifier(Schema), Epoch);
}

/// <summary>A home that a move left and still kept when the purge began.</summary>
/// <param name="Isolation">Model.</param>
/// <param name="Server">Server.</param>
/// <param name="Database">Database.</param>
/// <param name="Schema">Schema.</param>
/// <param name="Epoch">Epoch under which it was left.</param>
internal sealed record LeftHome(IsolationModel Isolation, string Server, string Database, string Schema, long Epoch);

/// <summary>
/// Removes a tenant's data for good and certifies it. Every step only removes, so there is no way back and no undo: what
/// fails is gone on with by the next purge.
/// </summary>
internal sealed class PurgeOperation(
    CatalogDatabase database,
    TenantHomes homes,
    TenantCatalog catalog,
    TimeProvider time
) : OperationType
{
    public const string TypeName = "purge";
    private const string Counts = "counts";
    private const string CountedAt = "countedAt";
    private const string LeftHomes = "leftHomes";

    public override string Name => TypeName;

    public override IReadOnlyList<OperationStep> Steps(Operation operation) =>
        [new Clear(database), new Close(homes, catalog, time), new Remove(homes)];

    public override void OnSucceeded(OperationContext context, CatalogWrites writes)
    {
        var input = context.Input<PurgeInput>();
        var certificate = PurgeCertificate.Issue(
            context.Operation.Id,
            input,
            context.Kept<List<TableRows>>(Counts) ?? [],
            context.Kept<List<LeftHome>>(LeftHomes) ?? [],
            context.Kept<DateTimeOffset>(CountedAt),
            time.GetUtcNow(),
            context.Operation.RequestedBy
        );
        context.SetResult(certificate);
        // One transaction: the tenant is purged, its slug free, its keys dead, and the certificate kept; or none of it.
        writes
            .Add(
                """
                UPDATE tenants
                   SET status = 'purged', purge_certificate = $2, version = version + 1, updated_at = $3
                 WHERE id = $1
                """,
                SqlValue.Of(input.Tenant),
                SqlValue.Json(certificate.GetRawText()),
                SqlValue.Of(time.GetUtcNow())
            )
            .Add(
                "UPDATE api_keys SET revoked_at = $2 WHERE tenant_id = $1 AND revoked_at IS NULL",
                SqlValue.Of(input.Tenant),
                SqlValue.Of(time.GetUtcNow())
            );
        context.Settle(OperationObject.HomeOf(input.TenantId, input.Home), kept: false);
    }

    private abstract class RemovingStep : OperationStep
    {
        public override bool Cancellable => false;

        public override StepFailure OnFailure => StepFailure.Stop;
    }

    /// <summary>
    /// Ends the keeping of homes that moves left, and waits for it: while one is there, the tenant's data is not gone.
    /// </summary>
    private sealed class Clear(CatalogDatabase database) : OperationStep
    {
        private const string Kept = "kept";
        private const string Looks = "looks";
        private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250);
        private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

        // Those that failed before this purge began count until the clean-up has removed what they left.
        private const string FindSql = """
            SELECT o.id, o.finished_at IS NOT NULL, o.status <> 'succeeded' AND left_over.yes, (o.input -> 'kept')::text
              FROM operations AS o
             CROSS JOIN LATERAL (
                SELECT EXISTS (
                    SELECT FROM operation_objects AS j WHERE j.operation_id = o.id AND j.settled_at IS NULL) AS yes
             ) AS left_over
             WHERE o.type = 'moveRetention' AND o.tenant_id = $1
               AND (o.finished_at IS NULL OR o.id = ANY ($2) OR (o.status <> 'succeeded' AND left_over.yes))
             ORDER BY o.id
            """;

        private const string EndSql = """
            UPDATE operations AS o
               SET signals = o.signals || '{"finalize": true}',
                   run_after = CASE WHEN o.lease_owner IS NULL THEN now() ELSE o.run_after END
             WHERE o.id = ANY ($1) AND o.finished_at IS NULL AND NOT o.signals ? 'finalize'
            """;

        public override string Phase => "clearing";

        public override StepFailure OnFailure => StepFailure.Stop;

        public override async Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var found = await FindAsync(context, cancellationToken);
            context.Keep(Kept, found.Select(f => f.Id));
            context.Keep(LeftHomes, found.Select(f => f.Home));
            if (found.Exists(f => f.IsFinished && f.IsLeft))
            {
                throw new OperationFailedException(
                    new Error(
                        ErrorKind.Conflict,
                        "invalid-state",
                        "A home that a move left could not be removed yet, so the tenant's data would not be gone; nothing else was removed. The clean-up goes on trying: ask for the purge again later."
                    )
                );
            }

            if (found.TrueForAll(f => f.IsFinished))
            {
                return StepOutcome.Done;
            }

            await using var end = database.Source.CreateCommand(EndSql);
            end.Parameters.Add(SqlValue.Of(found.Select(f => f.Id).ToArray()));
            await end.ExecuteNonQueryAsync(cancellationToken);
            // A server that is away for hours is not asked for four times a second.
            var looks = context.Kept<int>(Looks);
            context.Keep(Looks, Math.Min(looks + 1, 10));
            var pause = FirstPause * (1 << looks);
            return StepOutcome.Wait(pause < LongestPause ? pause : LongestPause);
        }

        private async Task<List<(Guid Id, bool IsFinished, bool IsLeft, LeftHome Home)>> FindAsync(
            OperationContext context,
            CancellationToken cancellationToken
        )
        {
            await using var command = database.Source.CreateCommand(FindSql);
            command.Parameters.Add(SqlValue.Of(context.Input<PurgeInput>().Tenant));
            command.Parameters.Add(SqlValue.Of((context.Kept<List<Guid>>(Kept) ?? []).ToArray()));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            var found = new List<(Guid, bool, bool, LeftHome)>();
            while (await reader.ReadAsync(cancellationToken))
            {
                found.Add(
                    (
                        reader.GetGuid(0),
                        reader.GetBoolean(1),
                        reader.GetBoolean(2),
                        JsonSerializer.Deserialize<LeftHome>(reader.GetString(3), OperationJson.Options)!
                    )
                );
            }

            return found;
        }
    }

    /// <summary>Shuts the fence, so that nothing can be written any more, and counts what will be removed.</summary>
    private sealed class Close(TenantHomes homes, TenantCatalog catalog, TimeProvider time) : RemovingStep
    {
        public override string Phase => "counting";

        public override async Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var input = context.Input<PurgeInput>();
            if (
                await catalog.FindAsync(input.TenantId, cancellationToken)
                    is not { Status: TenantStatus.PendingDeletion } tenant
                || tenant.Placement != input.Home
            )
            {
                throw new OperationFailedException(
                    new Error(
                        ErrorKind.Conflict,
                        "invalid-state",
                        "The tenant is no longer pending deletion where it was; nothing was removed."
                    )
                );
            }

            // A purge that was stopped half-way counted before it removed: that count stays the one that is certified.
            var counted = await homes.CloseAndCountAsync(input.TenantId, input.Home, cancellationToken);
            context.Keep(Counts, counted);
            context.Keep(CountedAt, time.GetUtcNow());
            return StepOutcome.Done;
        }
    }

    private sealed class Remove(TenantHomes homes) : RemovingStep
    {
        public override string Phase => "removing";

        public override async Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var input = context.Input<PurgeInput>();
            await homes.RemoveAsync(OperationObject.HomeOf(input.TenantId, input.Home), cancellationToken);
            return StepOutcome.Done;
        }
    }
}
