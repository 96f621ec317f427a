using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Provisioning;

/// <summary>Makes and removes the homes of tenants, in all three models. Each call may be repeated.</summary>
public sealed class TenantHomes(
    OperatorConnections connections,
    DataSourceRegistry registry,
    DatabaseNames names,
    IOptions<ProvisioningOptions> options
)
{
    // A schema that is there was made by this operation before: it came with everything else or not at all.
    private const string CloneSql = """
        SELECT tenantdocs.clone_schema('template', $1) FROM (SELECT to_regnamespace($1) AS found) AS s WHERE found IS NULL
        """;

    private readonly ConcurrentDictionary<string, SemaphoreSlim> _creating = new(StringComparer.Ordinal);

    /// <summary>Puts the tenant's state row and its fence, active, into a place whose tables exist.</summary>
    public async Task OpenAsync(TenantId tenant, Placement home, CancellationToken cancellationToken)
    {
        await using var connection = await connections.OpenAsync(
            home.Server,
            home.Database,
            SessionRole.Mover,
            cancellationToken
        );
        await using var batch = new NpgsqlBatch(connection);
        AddOpening(batch, tenant, home);
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Makes a schema from the template, with state row and fence: all or nothing, in one round trip.</summary>
    public async Task CreateSchemaAsync(TenantId tenant, Placement home, CancellationToken cancellationToken)
    {
        await using var connection = await connections.OpenAsync(
            home.Server,
            home.Database,
            SessionRole.Admin,
            cancellationToken
        );
        await using var batch = new NpgsqlBatch(connection);
        // One implicit transaction as the owner, who is subject to the policies like everybody: hence the settings.
        AddSetting(batch, "role", DatabaseNames.OwnerRole.Name);
        AddSetting(batch, "app.current_tenant", tenant.ToString());
        AddSetting(batch, "app.write_epoch", "0");
        batch.BatchCommands.Add(new NpgsqlBatchCommand(CloneSql) { Parameters = { SqlValue.Of(home.Schema.Name) } });
        AddOpening(batch, tenant, home);
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Makes a database from the template; nobody but the platform's roles may connect to it at any moment.</summary>
    public async Task CreateDatabaseAsync(Placement home, CancellationToken cancellationToken)
    {
        await using var connection = await connections.OpenMaintenanceAsync(home.Server, cancellationToken);
        var create =
            $"CREATE DATABASE {home.Database.Quoted} OWNER {DatabaseNames.OwnerRole.Quoted} "
            + $"TEMPLATE {names.TemplateDatabase.Quoted} ALLOW_CONNECTIONS false";
        // One at a time per server: copies of one template only slow each other down.
        var turn = _creating.GetOrAdd(home.Server, _ => new SemaphoreSlim(1));
        await turn.WaitAsync(cancellationToken);
        try
        {
            await ExecuteAsync(connection, create, cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.DuplicateDatabase)
        {
            // This operation made it before: CREATE DATABASE is all or nothing, and the name holds the tenant's id.
        }
        finally
        {
            turn.Release();
        }

        // Privileges on the database itself are not copied from the template; it opens only after they are right.
        await ExecuteAsync(
            connection,
            $"{ServerBootstrap.DatabaseGrantsSql(home.Database)}; ALTER DATABASE {home.Database.Quoted} ALLOW_CONNECTIONS true",
            cancellationToken
        );
    }

    /// <summary>Lets nobody in any more and counts the tenant's rows; none where there is no home.</summary>
    internal async Task<IReadOnlyList<TableRows>> CloseAndCountAsync(
        TenantId tenant,
        Placement home,
        CancellationToken cancellationToken
    )
    {
        try
        {
            await using var connection = await connections.OpenAsync(
                home.Server,
                home.Database,
                SessionRole.Mover,
                cancellationToken
            );
            await using (var batch = new NpgsqlBatch(connection))
            {
                batch.BatchCommands.Add(
                    TenantFence.Place(tenant, home.Epoch, "active", AccessMode.Offline, home.Schema)
                );
                await batch.ExecuteNonQueryAsync(cancellationToken);
            }

            return await TenantTables.CountAsync(connection, home.Schema, tenant.Value, cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName)
        {
            return [];
        }
    }

    /// <summary>Removes a tenant's home, whether it is there, half there or not there.</summary>
    public Task RemoveAsync(OperationObject home, CancellationToken cancellationToken) =>
        RemoveAsync(home, static () => [], cancellationToken);

    /// <summary>
    /// As <see cref="RemoveAsync(OperationObject, CancellationToken)"/>, of a tenant that lives elsewhere. Where the place
    /// itself says that the tenant is served there, nothing is removed: a worker that slept for longer than its lease may come
    /// back when the tenant does.
    /// </summary>
    /// <exception cref="PostgresException"><see cref="TenantSqlState.ServedHere"/>: the tenant is served there.</exception>
    public Task RemoveLeftAsync(OperationObject home, TenantId tenant, CancellationToken cancellationToken) =>
        RemoveAsync(home, () => NotServed(tenant), cancellationToken);

    private async Task RemoveAsync(
        OperationObject home,
        Func<IEnumerable<NpgsqlBatchCommand>> guard,
        CancellationToken cancellationToken
    )
    {
        switch (home.Kind)
        {
            case OperationObjectKind.Database:
                await RemoveDatabaseAsync(home.Server, home.Database, guard, cancellationToken);
                break;
            case OperationObjectKind.Schema:
                await RemoveSchemaAsync(
                    home.Server,
                    home.Database,
                    new PgIdentifier(home.Name),
                    guard,
                    cancellationToken
                );
                break;
            default:
                await RemoveRowsAsync(home.Server, home.Database, Guid.Parse(home.Name), guard, cancellationToken);
                break;
        }
    }

    // Two statements: the second one sees what was committed while the first waited.
    private static IEnumerable<NpgsqlBatchCommand> NotServed(TenantId tenant) =>
        [
            new("SELECT pg_advisory_xact_lock_shared(uuid_hash_extended($1, 0))")
            {
                Parameters = { SqlValue.Of(tenant.Value) },
            },
            new(
                $"""
                SELECT tenantdocs.require(NOT EXISTS (
                           SELECT FROM tenantdocs.tenant_fence
                            WHERE tenant_id = $1 AND state IN ('active', 'write_fenced') AND access <> 'offline'),
                       '{TenantSqlState.ServedHere}', 'the tenant is served here; nothing was removed')
                """
            )
            {
                Parameters = { SqlValue.Of(tenant.Value) },
            },
        ];

    private async Task RemoveDatabaseAsync(
        string server,
        PgIdentifier database,
        Func<IEnumerable<NpgsqlBatchCommand>> guard,
        CancellationToken cancellationToken
    )
    {
        // A statement on another database cannot be in one transaction with the removal: right before it then.
        await GuardAsync(server, database, guard, cancellationToken);
        await registry.ForgetAsync(server, database);
        await using var connection = await connections.OpenMaintenanceAsync(server, cancellationToken);
        await ExecuteAsync(connection, $"DROP DATABASE IF EXISTS {database.Quoted} WITH (FORCE)", cancellationToken);
    }

    private async Task RemoveSchemaAsync(
        string server,
        PgIdentifier database,
        PgIdentifier schema,
        Func<IEnumerable<NpgsqlBatchCommand>> guard,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await connections.OpenAsync(
            server,
            database,
            SessionRole.Admin,
            cancellationToken
        );
        await using var batch = new NpgsqlBatch(connection);
        foreach (var command in guard())
        {
            batch.BatchCommands.Add(command);
        }

        AddSetting(batch, "role", DatabaseNames.OwnerRole.Name);
        AddSetting(batch, "lock_timeout", Milliseconds(options.Value.FenceTimeout));
        batch.BatchCommands.Add(new NpgsqlBatchCommand($"DROP SCHEMA IF EXISTS {schema.Quoted} CASCADE"));
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("DELETE FROM tenantdocs.schema_version WHERE target = $1")
            {
                Parameters = { SqlValue.Of(schema.Name) },
            }
        );
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("DELETE FROM tenantdocs.tenant_fence WHERE schema_name = $1")
            {
                Parameters = { SqlValue.Of(schema.Name) },
            }
        );
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    // The fence goes last: while rows are left, whoever comes late still finds what refuses him by name.
    private async Task RemoveRowsAsync(
        string server,
        PgIdentifier database,
        Guid tenant,
        Func<IEnumerable<NpgsqlBatchCommand>> guard,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await connections.OpenAsync(
            server,
            database,
            SessionRole.Mover,
            cancellationToken
        );
        foreach (var table in await TenantTables.ListAsync(connection, DatabaseNames.SharedSchema, cancellationToken))
        {
            await TenantTables.DeleteAsync(
                connection,
                table,
                tenant,
                options.Value.RemovalBatch,
                guard,
                cancellationToken
            );
        }

        await using var batch = new NpgsqlBatch(connection);
        var fence = new NpgsqlBatchCommand("DELETE FROM tenantdocs.tenant_fence WHERE tenant_id = $1")
        {
            Parameters = { SqlValue.Of(tenant) },
        };
        foreach (var command in guard().Append(fence))
        {
            batch.BatchCommands.Add(command);
        }

        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task GuardAsync(
        string server,
        PgIdentifier database,
        Func<IEnumerable<NpgsqlBatchCommand>> guard,
        CancellationToken cancellationToken
    )
    {
        var commands = guard().ToList();
        if (commands.Count == 0)
        {
            return;
        }

        try
        {
            await using var connection = await connections.OpenAsync(
                server,
                database,
                SessionRole.Admin,
                cancellationToken
            );
            await using var batch = new NpgsqlBatch(connection);
            commands.ForEach(batch.BatchCommands.Add);
            await batch.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException e)
            when (e.SqlState
                    is PostgresErrorCodes.InvalidCatalogName
                        or PostgresErrorCodes.UndefinedTable
                        or PostgresErrorCodes.UndefinedFunction
                        or PostgresErrorCodes.InvalidSchemaName
            )
        {
            // Not there, or not made so far that a tenant could be served.
        }
    }

    private static void AddOpening(NpgsqlBatch batch, TenantId tenant, Placement home)
    {
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand(
                $"INSERT INTO {home.Schema.Quoted}.tenant_state (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING"
            )
            {
                Parameters = { SqlValue.Of(tenant.Value) },
            }
        );
        batch.BatchCommands.Add(TenantFence.Place(tenant, home.Epoch, "active", AccessMode.ReadWrite, home.Schema));
    }

    private static void AddSetting(NpgsqlBatch batch, string name, string value) =>
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("SELECT set_config($1, $2, true)")
            {
                Parameters = { SqlValue.Of(name), SqlValue.Of(value) },
            }
        );

    private static string Milliseconds(TimeSpan span) =>
        ((long)span.TotalMilliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
