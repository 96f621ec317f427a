using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Provisioning;

namespace TenantDocs.Fleet;

/// <summary>Registers servers and takes them out of use for new tenants.</summary>
public sealed partial class ServerFleet(
    CatalogDatabase catalog,
    ServerRegister register,
    DatabaseNames names,
    TenantPlacing placing,
    IOptions<IsolationOptions> isolation,
    ILogger<ServerFleet> logger
)
{
    /// <summary>Makes a server ready to hold tenants, then registers it.</summary>
    /// <returns>
    /// 409 <c>duplicate</c>, also for a cluster that is registered under another name; 400 when it cannot be reached or
    /// does not fit. Nothing is registered then.
    /// </returns>
    public async Task<Result<ServerLoad>> AddAsync(
        string name,
        ServerOptions options,
        CancellationToken cancellationToken
    )
    {
        if (await FindAsync(name, cancellationToken) is not null)
        {
            return ServerRegister.NameTaken;
        }

        var candidate = register.Draft(new ServerRegistration(name, options));
        // On connections of its own: what is not ready must not be known to anybody.
        var connections = new ServerConnections();
        connections.Register(candidate);
        var bootstrap = new ServerBootstrap(connections, names, isolation);
        var cluster = await IdentifyAsync(bootstrap, name, cancellationToken);
        if (cluster.Error is { } unreachable)
        {
            return unreachable;
        }

        var refused = await register.TryAddAsync(
            candidate,
            cluster.Value,
            () => PrepareAsync(bootstrap, new IsolationSelfTest(connections), name, cancellationToken),
            cancellationToken
        );
        return refused is not null ? refused : (await FindAsync(name, cancellationToken))!;
    }

    /// <summary>Says whether new tenants may be placed on a server; those that are there stay.</summary>
    public async Task<Result<ServerLoad>> SetDrainingAsync(
        string name,
        bool draining,
        CancellationToken cancellationToken
    )
    {
        await using (var command = catalog.Source.CreateCommand("UPDATE servers SET status = $2 WHERE name = $1"))
        {
            command.Parameters.Add(SqlValue.Of(name));
            command.Parameters.Add(SqlValue.Of(draining ? "draining" : "active"));
            if (await command.ExecuteNonQueryAsync(cancellationToken) == 0)
            {
                return new Error(ErrorKind.NotFound, "not-found", "No server of this name is registered.");
            }
        }

        await register.LoadAsync(cancellationToken);
        return (await FindAsync(name, cancellationToken))!;
    }

    /// <summary>Whether a text can be a server's name: the catalog admits no other.</summary>
    public static bool IsName(string text) => Form().IsMatch(text);

    [GeneratedRegex("^[a-z0-9][a-z0-9-]{0,62}\\z", RegexOptions.CultureInvariant)]
    private static partial Regex Form();

    /// <summary>A registered server with what it holds.</summary>
    public async Task<ServerLoad?> FindAsync(string name, CancellationToken cancellationToken) =>
        (await placing.LoadAsync(cancellationToken)).FirstOrDefault(s => s.Name == name);

    private static async Task<Result<string>> IdentifyAsync(
        ServerBootstrap bootstrap,
        string name,
        CancellationToken cancellationToken
    )
    {
        try
        {
            var found = await bootstrap.IdentifyAsync(name, cancellationToken);
            return PostgresVersions.IsTooOld(found.Version)
                ? Error.Invalid("connectionString", "The server is older than PostgreSQL 15.")
                : found.Cluster;
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Whatever the driver makes of a text that people wrote: a file that is missing, settings that exclude each
            // other. Its words may repeat the connection string: they stay here.
            return Error.Invalid("connectionString", "No PostgreSQL server answers there as an administrator.");
        }
    }

    private async Task<Error?> PrepareAsync(
        ServerBootstrap bootstrap,
        IsolationSelfTest selfTest,
        string name,
        CancellationToken cancellationToken
    )
    {
        try
        {
            await bootstrap.PrepareAsync(name, cancellationToken);
            await selfTest.EnsureAsync(name, names.SharedDatabase, cancellationToken);
            await selfTest.EnsureAsync(name, names.SchemaDatabase, cancellationToken);
            return null;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            ServerUnfit(logger, e, name);
            var cause = e switch
            {
                PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } =>
                    "the role lacks a privilege there: it must be a superuser, or may create roles and databases",
                TenantIsolationException => "its databases are not safely isolated, which the log describes",
                _ => "the log describes why",
            };
            return Error.Invalid("connectionString", $"The server could not be made ready for tenants: {cause}.");
        }
    }

    [LoggerMessage(1005, LogLevel.Warning, "Server {Server} could not be made ready and was not registered.")]
    private static partial void ServerUnfit(ILogger logger, Exception exception, string server);
}
