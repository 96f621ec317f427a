using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Provisioning;

/// <summary>Removes what failed operations of a tenant left on servers; never the tenant's present home.</summary>
internal sealed class CleanupOperation(
    CatalogDatabase database,
    TenantCatalog catalog,
    TenantHomes homes,
    OperatorConnections connections
) : OperationType
{
    public override string Name => OperationSweeper.CleanupType;

    public override IReadOnlyList<OperationStep> Steps(Operation operation) =>
        [new Clean(database, catalog, homes, connections)];

    private sealed class Clean(
        CatalogDatabase database,
        TenantCatalog catalog,
        TenantHomes homes,
        OperatorConnections connections
    ) : OperationStep
    {
        private const string LeftoversSql = """
            SELECT j.kind, j.server, j.database_name, j.name
              FROM operation_objects AS j JOIN operations AS o ON o.id = j.operation_id
             WHERE o.tenant_id = $1 AND j.settled_at IS NULL AND o.status IN ('failed', 'cancelled')
             GROUP BY j.kind, j.server, j.database_name, j.name
             -- A database cannot be dropped while a slot is in it.
             ORDER BY j.kind = 'publication', j.kind = 'slot' DESC
            """;

        public override string Phase => "cleaning";

        public override bool Cancellable => false;

        public override StepFailure OnFailure => StepFailure.Stop;

        public override async Task<StepOutcome> DoAsync(OperationContext context, CancellationToken cancellationToken)
        {
            var id = context.Operation.Tenant!.Value;
            var tenant = await catalog.FindAsync(id, cancellationToken);
            var home = tenant is { Status: not (TenantStatus.Failed or TenantStatus.Purged) }
                ? OperationObject.HomeOf(id, tenant.Placement)
                : null;
            foreach (var left in await ListAsync(id, cancellationToken))
            {
                if (left != home)
                {
                    await RemoveAsync(left, cancellationToken);
                }

                context.Settle(left, kept: left == home);
            }

            return StepOutcome.Done;
        }

        private async Task<List<OperationObject>> ListAsync(TenantId tenant, CancellationToken cancellationToken)
        {
            await using var command = database.Source.CreateCommand(LeftoversSql);
            command.Parameters.Add(SqlValue.Of(tenant.Value));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            var found = new List<OperationObject>();
            while (await reader.ReadAsync(cancellationToken))
            {
                found.Add(
                    new OperationObject(
                        CatalogText.Parse<OperationObjectKind>(reader.GetString(0)),
                        reader.GetString(1),
                        new PgIdentifier(reader.GetString(2)),
                        reader.GetString(3)
                    )
                );
            }

            return found;
        }

        private Task RemoveAsync(OperationObject left, CancellationToken cancellationToken) =>
            left.Kind switch
            {
                OperationObjectKind.Slot => DropSlotAsync(left, cancellationToken),
                OperationObjectKind.Publication => DropPublicationAsync(left, cancellationToken),
                _ => homes.RemoveAsync(left, cancellationToken),
            };

        private async Task DropSlotAsync(OperationObject slot, CancellationToken cancellationToken)
        {
            await using var connection = await connections.OpenMaintenanceAsync(slot.Server, cancellationToken);
            // A walsender that still reads it keeps it: end that one first. Active for another moment: tried again.
            await using var batch = new NpgsqlBatch(connection);
            foreach (
                var sql in (string[])
                    [
                        "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = $1 AND active",
                        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1",
                    ]
            )
            {
                batch.BatchCommands.Add(new NpgsqlBatchCommand(sql) { Parameters = { SqlValue.Of(slot.Name) } });
            }

            await batch.ExecuteNonQueryAsync(cancellationToken);
        }

        private async Task DropPublicationAsync(OperationObject publication, CancellationToken cancellationToken)
        {
            try
            {
                await using var connection = await connections.OpenAsync(
                    publication.Server,
                    publication.Database,
                    SessionRole.Admin,
                    cancellationToken
                );
                await using var command = new NpgsqlCommand(
                    $"DROP PUBLICATION IF EXISTS {new PgIdentifier(publication.Name).Quoted}",
                    connection
                );
                await command.ExecuteNonQueryAsync(cancellationToken);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName)
            {
                // It went with its database.
            }
        }
    }
}
