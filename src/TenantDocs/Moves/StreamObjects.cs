using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>Makes and removes what a stream of changes needs on the server that it comes from. Each call may be repeated.</summary>
internal sealed class StreamObjects(OperatorConnections operators)
{
    /// <summary>Name of the slot, and of the publication, of a stream.</summary>
    public static string SlotOf(Guid link) => $"tenantdocs_{link:n}";

    /// <summary>What the journal calls them.</summary>
    public static IReadOnlyList<OperationObject> ObjectsOf(Guid link, Placement place) =>
        [
            new OperationObject(OperationObjectKind.Slot, place.Server, place.Database, SlotOf(link)),
            new OperationObject(OperationObjectKind.Publication, place.Server, place.Database, SlotOf(link)),
        ];

    /// <summary>
    /// Publishes a tenant's rows of all its tables. The filter's column leads every key, so that updates and deletes of
    /// other tenants go on as before; TRUNCATE, which knows no filter, is not published.
    /// </summary>
    public async Task PublishAsync(
        Guid link,
        Placement place,
        TenantId tenant,
        IReadOnlyList<MoveTable> tables,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await OpenAdminAsync(place, cancellationToken);
        var name = new PgIdentifier(SlotOf(link)).Quoted;
        var list = string.Join(", ", tables.Select(t => $"{t.Quoted} WHERE (tenant_id = '{tenant}')"));
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("SELECT set_config('role', $1, true)")
            {
                Parameters = { SqlValue.Of(DatabaseNames.OwnerRole.Name) },
            }
        );
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT set_config('lock_timeout', '5s', true)"));
        batch.BatchCommands.Add(new NpgsqlBatchCommand($"DROP PUBLICATION IF EXISTS {name}"));
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand(
                $"CREATE PUBLICATION {name} FOR TABLE {list} WITH (publish = 'insert, update, delete')"
            )
        );
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>
    /// Makes the slot, after the publication (older log cannot be decoded with a publication that came later). Waits for
    /// every transaction that writes anywhere on that server; hence never while writes are held.
    /// </summary>
    /// <exception cref="TimeoutException">A transaction somewhere on the server did not end in time.</exception>
    public static async Task CreateSlotAsync(
        MoveConnections connections,
        Guid link,
        Placement place,
        TimeSpan patience,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await connections.OpenAsync(place, cancellationToken);
        await using var command = new NpgsqlCommand(
            """
            SELECT pg_create_logical_replication_slot($1, 'pgoutput')
             WHERE NOT EXISTS (SELECT FROM pg_replication_slots AS s WHERE s.slot_name = $1)
            """,
            connection
        )
        {
            CommandTimeout = 0, // the patience below ends it
        };
        command.Parameters.Add(SqlValue.Of(SlotOf(link)));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(patience);
        try
        {
            await command.ExecuteNonQueryAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException("A transaction on the server has been open for too long.");
        }
    }

    /// <summary>Removes the slot and the publication, whoever reads the slot.</summary>
    public async Task RemoveAsync(Guid link, Placement place, CancellationToken cancellationToken)
    {
        await RemoveSlotAsync(place.Server, place.Database, SlotOf(link), cancellationToken);
        await RemovePublicationAsync(place.Server, place.Database, SlotOf(link), cancellationToken);
    }

    /// <summary>Removes a slot.</summary>
    public async Task RemoveSlotAsync(
        string server,
        PgIdentifier database,
        string slot,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await operators.OpenMaintenanceAsync(server, cancellationToken);
        await using var command = new NpgsqlCommand(
            """
            WITH ended AS MATERIALIZED (
                SELECT s.slot_name, CASE WHEN s.active_pid IS NULL THEN true ELSE pg_terminate_backend(s.active_pid, 5000) END AS free
                  FROM pg_replication_slots AS s WHERE s.slot_name = $1)
            SELECT e.free, pg_drop_replication_slot(CASE WHEN e.free THEN e.slot_name END) FROM ended AS e
            """,
            connection
        );
        command.Parameters.Add(SqlValue.Of(slot));
        try
        {
            if (await command.ExecuteScalarAsync(cancellationToken) is false)
            {
                throw new TimeoutException("The reader of a replication slot does not end.");
            }
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UndefinedObject)
        {
            // Another worker removed it in this moment.
        }
    }

    /// <summary>Removes a publication; none where its database is gone.</summary>
    public async Task RemovePublicationAsync(
        string server,
        PgIdentifier database,
        string publication,
        CancellationToken cancellationToken
    )
    {
        try
        {
            await using var connection = await operators.OpenAsync(
                server,
                database,
                SessionRole.Admin,
                cancellationToken
            );
            await using var command = new NpgsqlCommand(
                $"DROP PUBLICATION IF EXISTS {new PgIdentifier(publication).Quoted}",
                connection
            );
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName)
        {
            // It went with its database.
        }
    }

    private Task<NpgsqlConnection> OpenAdminAsync(Placement place, CancellationToken cancellationToken) =>
        operators.OpenAsync(place.Server, place.Database, SessionRole.Admin, cancellationToken);
}
