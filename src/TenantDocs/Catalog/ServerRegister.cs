using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Isolation;

namespace TenantDocs.Catalog;

/// <summary>The registered servers: rows of the catalog, and what this process knows of them.</summary>
public sealed class ServerRegister(
    CatalogDatabase catalog,
    ServerConnections servers,
    IOptions<CatalogOptions> options,
    TimeProvider time
)
{
    private const string Columns =
        "name, region, connection_string, role_secret, capacity, status = 'draining' AS draining";

    // The cluster is recorded unless the roles on it have their passwords from another registration's secret: preparing it
    // under this one would lock every connection of the other out.
    private const string ClusterSql = """
        UPDATE servers AS s SET cluster = $2
         WHERE s.name = $1
           AND NOT EXISTS (SELECT FROM servers AS o
                            WHERE o.cluster = $2 AND o.name <> s.name AND o.role_secret <> s.role_secret)
        """;

    /// <summary>Reads the registered servers from the catalog into this process.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand($"SELECT {Columns} FROM servers ORDER BY name");
        command.CommandTimeout = CatalogNews.LookupSeconds;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            servers.Register(Read(reader));
        }
    }

    /// <summary>A server as it would be registered; nobody knows it yet.</summary>
    internal Server Draft(ServerRegistration registration) =>
        new(
            registration.Name,
            registration.Options.Region,
            registration.Options.ConnectionString,
            options.Value.RoleSecret ?? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)),
            registration.Options.Capacity,
            false
        );

    /// <summary>Registers what the configuration names, or changes how it is reached.</summary>
    internal async Task PutAsync(ServerRegistration registration, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(
            $"""
            INSERT INTO servers AS s (name, region, connection_string, role_secret, capacity, created_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (name) DO UPDATE
               SET region = EXCLUDED.region, connection_string = EXCLUDED.connection_string, capacity = EXCLUDED.capacity
            RETURNING {Columns}
            """
        );
        AddValues(command, Draft(registration));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        servers.Register(Read(reader));
    }

    /// <summary>Records which cluster a registered server is; false when that cluster is another registered server's.</summary>
    internal async Task<bool> TryRecordClusterAsync(string name, string cluster, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(ClusterSql);
        command.Parameters.Add(SqlValue.Of(name));
        command.Parameters.Add(SqlValue.Of(cluster));
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    /// <summary>
    /// Registers a new server once <paramref name="prepare"/> has made it ready. One after the other on all nodes: whoever
    /// prepares a cluster changes the passwords of its roles, which must not happen to one that is just being registered.
    /// </summary>
    /// <param name="server">From <see cref="Draft"/>.</param>
    /// <param name="cluster">Which cluster it is.</param>
    /// <param name="prepare">Null when the server is ready; else nothing is registered.</param>
    /// <param name="cancellationToken">Gives up; nothing is registered then.</param>
    internal async Task<Error?> TryAddAsync(
        Server server,
        string cluster,
        Func<Task<Error?>> prepare,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await catalog.Source.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var look = new NpgsqlCommand(
            """
            WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('tenantdocs servers', 0)))
            SELECT 1 FROM held
            """,
            connection
        )
        {
            CommandTimeout = 0, // preparing takes seconds; the caller's cancellation bounds the wait
        };
        await look.ExecuteNonQueryAsync(cancellationToken);
        if (await FindTakenAsync(connection, server.Name, cluster, cancellationToken) is { } taken)
        {
            return taken;
        }

        if (await prepare() is { } unfit)
        {
            return unfit;
        }

        await using var insert = new NpgsqlCommand(
            """
            INSERT INTO servers (name, region, connection_string, role_secret, capacity, created_at, cluster)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            connection
        );
        AddValues(insert, server);
        insert.Parameters.Add(SqlValue.Of(cluster));
        await insert.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        servers.Register(server);
        return null;
    }

    private static async Task<Error?> FindTakenAsync(
        NpgsqlConnection connection,
        string name,
        string cluster,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            "SELECT name FROM servers WHERE name = $1 OR cluster = $2 ORDER BY name = $1 DESC LIMIT 1",
            connection
        );
        command.Parameters.Add(SqlValue.Of(name));
        command.Parameters.Add(SqlValue.Of(cluster));
        return await command.ExecuteScalarAsync(cancellationToken) switch
        {
            null => null,
            string found when found == name => NameTaken,
            var other => new Error(
                ErrorKind.Conflict,
                "duplicate",
                $"This PostgreSQL cluster is registered already, as {other}. Nothing was changed."
            ),
        };
    }

    internal static Error NameTaken { get; } =
        new(ErrorKind.Conflict, "duplicate", "A server of this name is registered already. Nothing was changed.");

    private void AddValues(NpgsqlCommand command, Server server)
    {
        command.Parameters.Add(SqlValue.Of(server.Name));
        command.Parameters.Add(SqlValue.Of(server.Region));
        command.Parameters.Add(SqlValue.Of(server.ConnectionString));
        command.Parameters.Add(SqlValue.Of(server.RoleSecret));
        command.Parameters.Add(SqlValue.Of(server.Capacity));
        command.Parameters.Add(SqlValue.Of(time.GetUtcNow()));
    }

    private static Server Read(NpgsqlDataReader row) =>
        new(row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetInt32(4), row.GetBoolean(5));
}
