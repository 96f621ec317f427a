using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using Npgsql.Replication;
using TenantDocs.Catalog;
using TenantDocs.Database;

namespace TenantDocs.Isolation;

/// <summary>As whom a connection is opened.</summary>
public enum SessionRole
{
    /// <summary>Requests: subject to every policy.</summary>
    App,

    /// <summary>The server's administrator: makes databases, roles and schemas.</summary>
    Admin,

    /// <summary>Moves: reads and writes all rows of a tenant, replicates.</summary>
    Mover,
}

/// <summary>
/// How to reach the registered servers, in each role. The only place where connection strings are made.
/// </summary>
public sealed class ServerConnections
{
    private readonly ConcurrentDictionary<string, Server> _servers = new(StringComparer.Ordinal);

    private readonly ConcurrentDictionary<string, byte> _withheld = new(StringComparer.Ordinal);

    /// <summary>Names of the servers that requests are not sent to.</summary>
    public IReadOnlyCollection<string> Withheld => [.. _withheld.Keys];

    /// <summary>Sends no request to a server until <see cref="Admit"/>: its gate and policies were not found good.</summary>
    public void Withhold(string name) => _withheld[name] = 0;

    /// <summary>Sends requests to a server again.</summary>
    public void Admit(string name) => _withheld.TryRemove(name, out _);

    /// <summary>Whether no request is sent to a server.</summary>
    public bool IsWithheld(string name) => !_withheld.IsEmpty && _withheld.ContainsKey(name);

    /// <summary>The registered servers.</summary>
    public IReadOnlyCollection<Server> All => [.. _servers.Values.OrderBy(s => s.Name, StringComparer.Ordinal)];

    /// <summary>Makes a server known to this process, or replaces what is known of it.</summary>
    public void Register(Server server) => _servers[server.Name] = server;

    /// <summary>A server by name.</summary>
    /// <exception cref="KeyNotFoundException">No such server is registered.</exception>
    public Server this[string name] =>
        _servers.TryGetValue(name, out var server)
            ? server
            : throw new KeyNotFoundException($"No server '{name}' is registered.");

    /// <summary>True when the server is registered.</summary>
    public bool Contains(string name) => _servers.ContainsKey(name);

    /// <summary>The password of one of the platform's login roles on a server: derived, so that it is kept nowhere.</summary>
    public static string PasswordFor(Server server, PgIdentifier role) =>
        Convert.ToHexStringLower(
            HMACSHA256.HashData(Encoding.UTF8.GetBytes(server.RoleSecret), Encoding.UTF8.GetBytes(role.Name))
        );

    /// <summary>The connection string to a database in a role. Contains a password.</summary>
    public string ConnectionString(string server, PgIdentifier database, SessionRole role)
    {
        var known = this[server];
        var builder = new NpgsqlConnectionStringBuilder(known.ConnectionString)
        {
            Database = database.Name,
            ApplicationName = $"tenantdocs-{role.ToText()}",
            IncludeErrorDetail = false,
        };
        if (role is SessionRole.App or SessionRole.Mover)
        {
            var login = role is SessionRole.App ? DatabaseNames.AppRole : DatabaseNames.MoverRole;
            builder.Username = login.Name;
            builder.Password = PasswordFor(known, login);
        }

        return builder.ConnectionString;
    }

    /// <summary>
    /// Opens one unpooled connection, for work that is not a request. The caller disposes it. Not counted in the
    /// connection budget: operations are few and bounded by their workers.
    /// </summary>
    public async Task<NpgsqlConnection> OpenAsync(
        string server,
        PgIdentifier database,
        SessionRole role,
        CancellationToken cancellationToken
    )
    {
        var settings = new NpgsqlConnectionStringBuilder(ConnectionString(server, database, role)) { Pooling = false };
#pragma warning disable RS0030 // This room opens the connections.
        var connection = new NpgsqlConnection(settings.ConnectionString);
#pragma warning restore RS0030
        try
        {
            await connection.OpenAsync(cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Opens one unpooled connection of the mover: every setting that changes the text form of a value is fixed, so that both
    /// sides of a move write the same text.
    /// </summary>
    /// <remarks>
    /// <paramref name="application"/> names the work, so that whoever takes it over can end what is left of it. A server that
    /// says nothing for <paramref name="silence"/> (not: takes that long) while it is waited for counts as gone; zero: never.
    /// </remarks>
    public async Task<NpgsqlConnection> OpenMoverAsync(
        string server,
        PgIdentifier database,
        string application,
        TimeSpan silence,
        CancellationToken cancellationToken
    )
    {
        var settings = MoverSettings(server, database, application);
        settings.CommandTimeout = (int)Math.Ceiling(silence.TotalSeconds);
        settings.MaxAutoPrepare = 200;
        settings.AutoPrepareMinUsages = 2;
#pragma warning disable RS0030 // This room opens the connections.
        var connection = new NpgsqlConnection(settings.ConnectionString);
#pragma warning restore RS0030
        try
        {
            await connection.OpenAsync(cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Opens a connection on which the mover reads a replication slot.</summary>
    public async Task<LogicalReplicationConnection> OpenReplicationAsync(
        string server,
        PgIdentifier database,
        string application,
        CancellationToken cancellationToken
    )
    {
        var settings = MoverSettings(server, database, application);
        var connection = new LogicalReplicationConnection(settings.ConnectionString);
        try
        {
            await connection.Open(cancellationToken);
            connection.WalReceiverStatusInterval = TimeSpan.FromSeconds(1);
            connection.WalReceiverTimeout = TimeSpan.FromSeconds(30);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private NpgsqlConnectionStringBuilder MoverSettings(string server, PgIdentifier database, string application)
    {
        var settings = new NpgsqlConnectionStringBuilder(ConnectionString(server, database, SessionRole.Mover))
        {
            Pooling = false,
            ApplicationName = application,
            Timeout = 10,
            // A copy reads and writes this much at a time.
            ReadBufferSize = 64 * 1024,
            WriteBufferSize = 64 * 1024,
            // Nobody reads while a copy is written: a server with many notices to give (a word too long to be indexed is one) would
            // wait for its reader, and the reader for it.
            Options =
                "-c client_min_messages=error -c search_path=pg_catalog -c datestyle=ISO,YMD -c intervalstyle=postgres -c timezone=UTC "
                + "-c extra_float_digits=1 -c bytea_output=hex -c row_security=off",
        };
        if (settings.Host is { } host && !host.StartsWith('/') && !host.StartsWith('@'))
        {
            // A statement may be silent for long (the comparison of a large table); the network may not: the kernel asks. A Unix
            // socket knows no such setting, and no network.
            settings.TcpKeepAlive = true;
            settings.TcpKeepAliveTime = 15;
            settings.TcpKeepAliveInterval = 5;
        }

        return settings;
    }
}
