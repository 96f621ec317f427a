using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
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
    ServerRegister register,
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
        await register.LoadAsync(cancellationToken);
        if (registrations.Count == 0 && servers.All.Count == 0)
        {
            registrations =
            [
                new ServerRegistration("primary", new ServerOptions { ConnectionString = connectionString }),
            ];
        }

        foreach (var registration in registrations)
        {
            await register.PutAsync(registration, cancellationToken);
        }

        await PrepareAsync(cancellationToken);
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
        await register.LoadAsync(cancellationToken);
        _ready.TrySetResult();
    }

    /// <summary>Examines the servers again that could not be made ready, and serves those that can be now.</summary>
    internal async Task PrepareWithheldAsync(CancellationToken cancellationToken)
    {
        foreach (var server in servers.All.Where(s => servers.IsWithheld(s.Name)))
        {
            try
            {
                await PrepareAsync(server, Task.CompletedTask, null, cancellationToken);
                servers.Admit(server.Name);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                StillWithheld(logger, e, server.Name);
            }
        }
    }

    // One server that cannot be used must not keep the tenants of the others from being served; when none can, nobody is served.
    private async Task PrepareAsync(CancellationToken cancellationToken)
    {
        // All at once, but named in their order: of two names for one cluster the first is kept.
        Task named = Task.CompletedTask;
        var all = new List<Task<Exception?>>();
        foreach (var server in servers.All)
        {
            var turn = new TaskCompletionSource();
            all.Add(TryPrepareAsync(server, named, turn, cancellationToken));
            named = turn.Task;
        }

        var faults = await Task.WhenAll(all);
        if (faults.Length > 0 && !faults.Contains(null))
        {
            ExceptionDispatchInfo.Throw(faults[0]!);
        }
    }

    private async Task<Exception?> TryPrepareAsync(
        Server server,
        Task before,
        TaskCompletionSource named,
        CancellationToken cancellationToken
    )
    {
        try
        {
            await PrepareAsync(server, before, named, cancellationToken);
            servers.Admit(server.Name);
            return null;
        }
        catch (Exception e) when (e is NpgsqlException or MigrationException or TimeoutException)
        {
            // Requests are not sent to what was not found safe; PrepareWithheldAsync looks again.
            servers.Withhold(server.Name);
            ServerUnavailable(logger, e, server.Name);
            return e;
        }
        finally
        {
            named.TrySetResult();
        }
    }

    private async Task PrepareAsync(
        Server server,
        Task before,
        TaskCompletionSource? named,
        CancellationToken cancellationToken
    )
    {
        var found = await bootstrap.IdentifyAsync(server.Name, cancellationToken);
        await before;
        if (!await register.TryRecordClusterAsync(server.Name, found.Cluster, cancellationToken))
        {
            throw new MigrationException(
                $"Server '{server.Name}' is the same PostgreSQL cluster as another registered server. Nothing was changed on it."
            );
        }

        named?.TrySetResult();
        await bootstrap.PrepareAsync(server.Name, cancellationToken);
        await Task.WhenAll(
            selfTest.EnsureAsync(server.Name, names.SharedDatabase, cancellationToken),
            selfTest.EnsureAsync(server.Name, names.SchemaDatabase, cancellationToken)
        );
        if (PostgresVersions.KnownFault(found.Version) is { } known)
        {
            ServerHasFault(logger, server.Name, known);
        }

        ServerReady(logger, server.Name);
    }

    [LoggerMessage(1002, LogLevel.Information, "Server {Server} is ready.")]
    private static partial void ServerReady(ILogger logger, string server);

    [LoggerMessage(
        1003,
        LogLevel.Error,
        "Server {Server} could not be prepared; its tenants are unavailable until it can, the others are served."
    )]
    private static partial void ServerUnavailable(ILogger logger, Exception exception, string server);

    [LoggerMessage(1004, LogLevel.Warning, "Server {Server} is served all the same: {Fault}")]
    private static partial void ServerHasFault(ILogger logger, string server, string fault);

    [LoggerMessage(1006, LogLevel.Debug, "Server {Server} is still not ready.")]
    private static partial void StillWithheld(ILogger logger, Exception exception, string server);
}
