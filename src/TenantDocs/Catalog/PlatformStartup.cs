using System.Security.Cryptography;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Catalog;

/// <summary>A PostgreSQL cluster to register at start-up.</summary>
/// <param name="Name">Its name in placements.</param>
/// <param name="Options">How to reach it.</param>
public sealed record ServerRegistration(string Name, ServerOptions Options);

/// <summary>
/// Opens the platform: the catalog, its servers, the gate in each, and the self-test. In this order, each step
/// repeatable; nothing is served before the last one has passed.
/// </summary>
public sealed partial class PlatformStartup(
    CatalogDatabase catalog,
    DatabaseNames names,
    ServerConnections servers,
    ServerBootstrap bootstrap,
    IsolationSelfTest selfTest,
    IOptions<CatalogOptions> options,
    TimeProvider time,
    ILogger<PlatformStartup> logger
)
{
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when the platform is open; for work that must not begin earlier.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Reads the servers that the section <c>Servers</c> names, in its order.</summary>
    public static IReadOnlyList<ServerRegistration> ReadServers(IConfiguration configuration) =>
        [
            .. configuration
                .GetSection("Servers")
                .GetChildren()
                .Select(s => new ServerRegistration(s.Key, s.Get<ServerOptions>() ?? new ServerOptions())),
        ];

    /// <summary>Opens the catalog and prepares every registered server.</summary>
    /// <param name="connectionString">The catalog's administrator.</param>
    /// <param name="registrations">Servers to register; where none is given and none is known, the catalog's own server is.</param>
    /// <param name="cancellationToken">Stops before the next step.</param>
    /// <exception cref="TenantIsolationException">The self-test found a fault; nothing is served.</exception>
    public async Task OpenAsync(
        string connectionString,
        IReadOnlyList<ServerRegistration> registrations,
        CancellationToken cancellationToken
    )
    {
        await catalog.OpenAsync(connectionString, names, cancellationToken);
        await LoadServersAsync(cancellationToken);
        if (registrations.Count == 0 && servers.All.Count == 0)
        {
            registrations =
            [
                new ServerRegistration("primary", new ServerOptions { ConnectionString = connectionString }),
            ];
        }

        foreach (var registration in registrations)
        {
            await RegisterAsync(registration, cancellationToken);
        }

        foreach (var server in servers.All)
        {
            await PrepareAsync(server, cancellationToken);
        }

        _ready.TrySetResult();
    }

    /// <summary>
    /// Opens a platform that a host has prepared, for a program that runs beside it: nothing is created or changed.
    /// </summary>
    /// <param name="connectionString">The catalog's administrator.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="MigrationException">There is no platform, or one of another version.</exception>
    public async Task AttachAsync(string connectionString, CancellationToken cancellationToken)
    {
        await catalog.AttachAsync(connectionString, names, cancellationToken);
        await LoadServersAsync(cancellationToken);
        _ready.TrySetResult();
    }

    /// <summary>Registers a server, or changes how it is reached, and makes it ready to hold tenants.</summary>
    public async Task<Server> AddServerAsync(ServerRegistration registration, CancellationToken cancellationToken)
    {
        var server = await RegisterAsync(registration, cancellationToken);
        await PrepareAsync(server, cancellationToken);
        return server;
    }

    /// <summary>Reads the registered servers from the catalog into this process.</summary>
    public async Task LoadServersAsync(CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(
            "SELECT name, region, connection_string, role_secret, capacity, status = 'draining' FROM servers ORDER BY name"
        );
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            servers.Register(Read(reader));
        }
    }

    private async Task<Server> RegisterAsync(ServerRegistration registration, CancellationToken cancellationToken)
    {
        var secret = options.Value.RoleSecret ?? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        await using var command = catalog.Source.CreateCommand(
            """
            INSERT INTO servers AS s (name, region, connection_string, role_secret, capacity, created_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (name) DO UPDATE
               SET region = EXCLUDED.region, connection_string = EXCLUDED.connection_string, capacity = EXCLUDED.capacity
            RETURNING name, region, connection_string, role_secret, capacity, status = 'draining'
            """
        );
        command.Parameters.Add(SqlValue.Of(registration.Name));
        command.Parameters.Add(SqlValue.Of(registration.Options.Region));
        command.Parameters.Add(SqlValue.Of(registration.Options.ConnectionString));
        command.Parameters.Add(SqlValue.Of(secret));
        command.Parameters.Add(SqlValue.Of(registration.Options.Capacity));
        command.Parameters.Add(SqlValue.Of(time.GetUtcNow()));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var server = Read(reader);
        servers.Register(server);
        return server;
    }

    private async Task PrepareAsync(Server server, CancellationToken cancellationToken)
    {
        try
        {
            await bootstrap.PrepareAsync(server.Name, cancellationToken);
        }
        catch (Exception e)
            when (servers.All.Count > 1 && e is NpgsqlException { IsTransient: true } or TimeoutException)
        {
            // One server that is down must not keep the tenants of the others from being served.
            ServerUnreachable(logger, e, server.Name);
            return;
        }

        await selfTest.EnsureAsync(server.Name, names.SharedDatabase, cancellationToken);
        await selfTest.EnsureAsync(server.Name, names.SchemaDatabase, cancellationToken);
        ServerReady(logger, server.Name);
    }

    private static Server Read(NpgsqlDataReader row) =>
        new(row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetInt32(4), row.GetBoolean(5));

    [LoggerMessage(1002, LogLevel.Information, "Server {Server} is ready.")]
    private static partial void ServerReady(ILogger logger, string server);

    [LoggerMessage(
        1003,
        LogLevel.Error,
        "Server {Server} cannot be reached; its tenants are unavailable until it can, the others are served."
    )]
    private static partial void ServerUnreachable(ILogger logger, Exception exception, string server);
}
