using Npgsql;
using Npgsql.Replication;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Moves;

/// <summary>
/// The connections of one move, all under one name: who takes the move over ends those that its former mover left behind
/// (a frozen process keeps its transactions, locks and slots for as long as it likes).
/// </summary>
internal sealed class MoveConnections(ServerConnections servers, Guid link, TimeSpan silence)
{
    private const string EndOthersSql = """
        SELECT pg_terminate_backend(a.pid, 5000) FROM pg_stat_activity AS a
         WHERE a.application_name = $1 AND a.usename = current_user AND a.pid <> pg_backend_pid()
        """;

    private const string EndAllSql = """
        SELECT pg_terminate_backend(a.pid, 5000) FROM pg_stat_activity AS a
         WHERE a.application_name = $1 AND a.pid <> pg_backend_pid()
        """;

    private readonly string _application = NameOf(link);

    /// <summary>Ends all connections of a move to a server, over one that is none of them, and returns when they are gone.</summary>
    public static async Task EndAllAsync(NpgsqlConnection connection, Guid link, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(EndAllSql, connection);
        command.Parameters.Add(SqlValue.Of(NameOf(link)));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static string NameOf(Guid link) => $"tenantdocs-move {link:n}";

    /// <summary>Opens a connection to a side.</summary>
    public Task<NpgsqlConnection> OpenAsync(Placement place, CancellationToken cancellationToken) =>
        servers.OpenMoverAsync(place.Server, place.Database, _application, silence, cancellationToken);

    /// <summary>Opens a connection that may write a tenant's rows as they come: no triggers, no foreign keys.</summary>
    public async Task<NpgsqlConnection> OpenReplicaAsync(Placement place, CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(place, cancellationToken);
        try
        {
            // Foreign keys were checked where the rows come from; cascades arrive as changes of their own. Rows are found by
            // key: a plan that was made while the table was small must not scan it when it has grown. What is copied goes to the
            // disk as it comes: gathered by the kernel, it would come in bursts that others' commits wait behind.
            await using var replica = new NpgsqlCommand(
                "SET session_replication_role = replica; SET enable_seqscan = off; SET backend_flush_after = '256kB'",
                connection
            );
            await replica.ExecuteNonQueryAsync(cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Opens a connection that reads a slot of a side.</summary>
    public Task<LogicalReplicationConnection> OpenReplicationAsync(
        Placement place,
        CancellationToken cancellationToken
    ) => servers.OpenReplicationAsync(place.Server, place.Database, _application, cancellationToken);

    /// <summary>Ends what a former mover left on a side's server, and returns when it is gone.</summary>
    public async Task EndOthersAsync(Placement place, CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(place, cancellationToken);
        await using var command = new NpgsqlCommand(EndOthersSql, connection);
        command.Parameters.Add(SqlValue.Of(_application));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
