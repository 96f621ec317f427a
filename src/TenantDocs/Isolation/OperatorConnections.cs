using System.Collections.Concurrent;
using Npgsql;
using TenantDocs.Database;

namespace TenantDocs.Isolation;

/// <summary>
/// Connections for operations (provision, purge, move), warm where many operations go: the databases that tenants share
/// and the one in which databases are made. A tenant's own database gets a connection for the one use.
/// </summary>
public sealed class OperatorConnections(ServerConnections servers, DatabaseNames names) : IAsyncDisposable
{
    private const int PoolSize = 4;
    private readonly ConcurrentDictionary<string, NpgsqlDataSource> _pools = new(StringComparer.Ordinal);

    /// <summary>Opens a connection; the caller disposes it. Settings that outlive a transaction are not allowed on it.</summary>
    public async Task<NpgsqlConnection> OpenAsync(
        string server,
        PgIdentifier database,
        SessionRole role,
        CancellationToken cancellationToken
    )
    {
        if (database != names.SharedDatabase && database != names.SchemaDatabase && database != MaintenanceOf(server))
        {
            return await servers.OpenAsync(server, database, role, cancellationToken);
        }

        // By connection string: a server that is reached another way from now on gets another pool.
        var pool = _pools.GetOrAdd(servers.ConnectionString(server, database, role), Create);
        return await pool.OpenConnectionAsync(cancellationToken);
    }

    /// <summary>Opens a connection to the database of a server in which databases are made and dropped.</summary>
    public Task<NpgsqlConnection> OpenMaintenanceAsync(string server, CancellationToken cancellationToken) =>
        OpenAsync(server, MaintenanceOf(server), SessionRole.Admin, cancellationToken);

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        foreach (var pool in _pools.Values)
        {
            await pool.DisposeAsync();
        }

        _pools.Clear();
    }

    private PgIdentifier MaintenanceOf(string server) =>
        new(
            new NpgsqlConnectionStringBuilder(servers[server].ConnectionString).Database is { Length: > 0 } name
                ? name
                : "postgres"
        );

    private static NpgsqlDataSource Create(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString)
        {
            MaxPoolSize = PoolSize,
            ConnectionIdleLifetime = 60,
            CommandTimeout = 120,
        };
#pragma warning disable RS0030 // This room makes the data sources.
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
#pragma warning restore RS0030
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        return builder.Build();
    }
}
