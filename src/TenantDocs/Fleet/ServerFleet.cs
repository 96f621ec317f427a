using System.Text.RegularExpressions;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Provisioning;

namespace TenantDocs.Fleet;

/// <summary>Registers servers and takes them out of use for new tenants.</summary>
public sealed partial class ServerFleet(CatalogDatabase catalog, PlatformStartup startup, TenantPlacing placing)
{
    /// <summary>Registers a server and makes it ready to hold tenants.</summary>
    /// <returns>409 <c>duplicate</c>; 400 when it cannot be reached or does not fit. Nothing is registered then.</returns>
    public async Task<Result<ServerLoad>> AddAsync(
        string name,
        ServerOptions options,
        CancellationToken cancellationToken
    )
    {
        if (await FindAsync(name, cancellationToken) is not null)
        {
            return new Error(ErrorKind.Conflict, "duplicate", "A server of this name is registered already.");
        }

        if (await TryReachAsync(name, options, cancellationToken) is { } unreachable)
        {
            return unreachable;
        }

        await startup.AddServerAsync(new ServerRegistration(name, options), cancellationToken);
        return (await FindAsync(name, cancellationToken))!;
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

        await startup.LoadServersAsync(cancellationToken);
        return (await FindAsync(name, cancellationToken))!;
    }

    /// <summary>Whether a text can be a server's name: the catalog admits no other.</summary>
    public static bool IsName(string text) => Form().IsMatch(text);

    [GeneratedRegex("^[a-z0-9][a-z0-9-]{0,62}\\z", RegexOptions.CultureInvariant)]
    private static partial Regex Form();

    private async Task<ServerLoad?> FindAsync(string name, CancellationToken cancellationToken) =>
        (await placing.LoadAsync(cancellationToken)).FirstOrDefault(s => s.Name == name);

    // On a registry of its own: what cannot be reached must not be known to anybody.
    private static async Task<Error?> TryReachAsync(
        string name,
        ServerOptions options,
        CancellationToken cancellationToken
    )
    {
        try
        {
            var candidate = new ServerConnections();
            candidate.Register(new Server(name, options.Region, options.ConnectionString, "", options.Capacity, false));
            await using var connection = await candidate.OpenAsync(
                name,
                new PgIdentifier("postgres"),
                SessionRole.Admin,
                cancellationToken
            );
            return connection.PostgreSqlVersion.Major >= 15
                ? null
                : Error.Invalid("connectionString", "The server is older than PostgreSQL 15.");
        }
        catch (Exception e) when (e is NpgsqlException or ArgumentException or TimeoutException)
        {
            // The driver's text may repeat the connection string: it stays here.
            return Error.Invalid("connectionString", "No PostgreSQL server answers there as an administrator.");
        }
    }
}
