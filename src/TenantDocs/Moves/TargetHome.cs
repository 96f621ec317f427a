using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Operations;
using TenantDocs.Provisioning;

namespace TenantDocs.Moves;

/// <summary>Makes the home that a tenant moves to: its tables, empty, behind a fence that lets nobody in.</summary>
internal sealed class TargetHome(OperatorConnections operators, TenantHomes homes)
{
    /// <summary>Makes it anew; what an earlier stay or a broken move left there goes first.</summary>
    public async Task MakeAsync(TenantId tenant, Placement home, CancellationToken cancellationToken)
    {
        await homes.RemoveLeftAsync(OperationObject.HomeOf(tenant, home), tenant, cancellationToken);
        if (home.Isolation is IsolationModel.Database)
        {
            await homes.CreateDatabaseAsync(home, cancellationToken);
        }

        await using var connection = await operators.OpenAsync(
            home.Server,
            home.Database,
            SessionRole.Admin,
            cancellationToken
        );
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("SELECT set_config('role', $1, true)")
            {
                Parameters = { SqlValue.Of(DatabaseNames.OwnerRole.Name) },
            }
        );
        if (home.Isolation is IsolationModel.Schema)
        {
            batch.BatchCommands.Add(
                new NpgsqlBatchCommand("SELECT tenantdocs.clone_schema($1, $2)")
                {
                    Parameters = { SqlValue.Of(DatabaseNames.TemplateSchema.Name), SqlValue.Of(home.Schema.Name) },
                }
            );
        }

        batch.BatchCommands.Add(TenantFence.Place(tenant, home.Epoch, "importing", AccessMode.Offline, home.Schema));
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>
    /// Gathers the planner's statistics of a home that is the tenant's own: they do not come with the rows, and autovacuum would
    /// leave the first minute after the switch to plans for empty tables. Shared tables have theirs.
    /// </summary>
    public async Task AnalyzeAsync(Placement home, CancellationToken cancellationToken)
    {
        if (home.Isolation is IsolationModel.Shared)
        {
            return;
        }

        await using var connection = await operators.OpenAsync(
            home.Server,
            home.Database,
            SessionRole.Admin,
            cancellationToken
        );
        var tables = await TenantTables.ListAsync(connection, home.Schema, cancellationToken);
        await using var batch = new NpgsqlBatch(connection) { Timeout = 0 };
        batch.BatchCommands.Add(
            // It rests after every two hundred pages, those that a first look makes dirty too: other tenants come first.
            new NpgsqlBatchCommand(
                """
                SELECT set_config('role', $1, true), set_config('vacuum_cost_delay', '1ms', true),
                       set_config('vacuum_cost_limit', '200', true), set_config('vacuum_cost_page_dirty', '1', true)
                """
            )
            {
                Parameters = { SqlValue.Of(DatabaseNames.OwnerRole.Name) },
            }
        );
        batch.BatchCommands.Add(new NpgsqlBatchCommand($"ANALYZE {string.Join(", ", tables.Select(t => t.Quoted))}"));
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Removes the tenant's rows from it, so that a copy can begin again.</summary>
    public async Task EmptyAsync(
        MoveConnections connections,
        Placement home,
        IReadOnlyList<MoveTable> tables,
        TenantId tenant,
        Guid link,
        long token,
        CancellationToken cancellationToken
    )
    {
        // First in each transaction: a mover that slept while another one went on empties nothing.
        if (home.Isolation is IsolationModel.Shared)
        {
            await using var connection = await connections.OpenReplicaAsync(home, cancellationToken);
            foreach (var table in tables)
            {
                await using var delete = new NpgsqlBatch(connection)
                {
                    Timeout = 0, // as long as it takes
                };
                delete.BatchCommands.Add(ChangeApplier.OpenCommand(link, token));
                delete.BatchCommands.Add(
                    new NpgsqlBatchCommand($"DELETE FROM {table.Quoted} WHERE tenant_id = $1")
                    {
                        Parameters = { SqlValue.Of(tenant.Value) },
                    }
                );
                await delete.ExecuteNonQueryAsync(cancellationToken);
            }
        }
        else
        {
            await using var connection = await operators.OpenAsync(
                home.Server,
                home.Database,
                SessionRole.Admin,
                cancellationToken
            );
            await using var truncate = new NpgsqlBatch(connection);
            truncate.BatchCommands.Add(ChangeApplier.OpenCommand(link, token));
            truncate.BatchCommands.Add(
                new NpgsqlBatchCommand($"TRUNCATE {string.Join(", ", tables.Select(t => t.Quoted))}")
            );
            await truncate.ExecuteNonQueryAsync(cancellationToken);
        }

        // The stream begins again at the new copy's marker.
        await using var progress = await connections.OpenAsync(home, cancellationToken);
        await using var reset = new NpgsqlCommand(
            "UPDATE tenantdocs.move_progress SET lsn = '0/0' WHERE link = $1",
            progress
        );
        reset.Parameters.Add(SqlValue.Of(link));
        await reset.ExecuteNonQueryAsync(cancellationToken);
    }
}
