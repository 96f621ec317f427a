using System.Data.Common;
using Npgsql;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Catalog;

/// <summary>The control database. Opened once at start-up; every unqualified name in its SQL means the schema <c>catalog</c>.</summary>
public sealed class CatalogDatabase : IAsyncDisposable
{
    /// <summary>Schema of the catalog's tables.</summary>
    public static readonly PgIdentifier Schema = new("catalog");

    private NpgsqlDataSource? _source;

    /// <summary>The pool of the control database.</summary>
    /// <exception cref="InvalidOperationException">The platform has not started yet.</exception>
    public NpgsqlDataSource Source =>
        _source ?? throw new InvalidOperationException("The catalog is not open yet; the platform is starting.");

    /// <summary>True once <see cref="OpenAsync"/> has finished.</summary>
    public bool IsOpen => _source is not null;

    /// <summary>The control database's name; empty until <see cref="IsOpen"/>.</summary>
    public string Name => new NpgsqlConnectionStringBuilder(ConnectionString).Database ?? "";

    /// <summary>Connection string of the control database, for connections that are not pooled (LISTEN). Contains a password.</summary>
    internal string ConnectionString { get; private set; } = "";

    /// <summary>
    /// Creates the control database where it is missing, brings its tables to the newest version and opens the pool.
    /// </summary>
    /// <param name="connectionString">An administrator's; a database named in it other than <c>postgres</c> is the catalog.</param>
    /// <param name="names">Names the catalog where the connection string does not.</param>
    /// <param name="cancellationToken">Stops before the next step.</param>
    public async Task OpenAsync(string connectionString, DatabaseNames names, CancellationToken cancellationToken)
    {
        var settings = SettingsFor(connectionString, names);
        await CreateAsync(settings, new PgIdentifier(settings.Database!), cancellationToken);
        var source = Build(settings);
        await using (var connection = await source.OpenConnectionAsync(cancellationToken))
        {
            await ExecuteAsync(connection, $"CREATE SCHEMA IF NOT EXISTS {Schema.Quoted}", cancellationToken);
            await MigrationRunner.PrepareAsync(connection, Schema, cancellationToken);
            await MigrationRunner.MigrateAsync(connection, MigrationSet.Catalog, Schema, Schema, cancellationToken);
        }

        ConnectionString = settings.ConnectionString;
        _source = source;
    }

    /// <summary>
    /// Opens the pool of a catalog that another process made, and changes nothing: for programs that must begin at once.
    /// </summary>
    /// <param name="connectionString">As for <see cref="OpenAsync"/>.</param>
    /// <param name="names">Names the catalog where the connection string does not.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="MigrationException">There is no catalog, or it is of another version than this program.</exception>
    public async Task AttachAsync(string connectionString, DatabaseNames names, CancellationToken cancellationToken)
    {
        var settings = SettingsFor(connectionString, names);
        var source = Build(settings);
        try
        {
            var version = await VersionAsync(source, cancellationToken);
            if (version != MigrationSet.Catalog.Latest)
            {
                throw new MigrationException(
                    $"The catalog '{settings.Database}' is at version {version}, this program at {MigrationSet.Catalog.Latest}. "
                        + "Nothing was changed."
                );
            }
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }

        ConnectionString = settings.ConnectionString;
        _source = source;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (_source is { } source)
        {
            _source = null;
            await source.DisposeAsync();
        }
    }

    private static NpgsqlConnectionStringBuilder SettingsFor(string connectionString, DatabaseNames names)
    {
        var isGiven = new DbConnectionStringBuilder { ConnectionString = connectionString }.ContainsKey("Timeout");
        var settings = new NpgsqlConnectionStringBuilder(connectionString)
        {
            SearchPath = Schema.Name,
            ApplicationName = "tenantdocs-catalog",
            MaxPoolSize = 20,
            MaxAutoPrepare = 100,
            AutoPrepareMinUsages = 2,
        };
        if (!isGiven)
        {
            // In seconds. Npgsql ends an opening that is not answered at this time only, not when it is cancelled: who has lost a
            // lease or stopped waiting must not be held for long.
            settings.Timeout = 5;
        }

        settings.Database = settings.Database is { Length: > 0 } given and not "postgres"
            ? new PgIdentifier(given).Name
            : names.Catalog.Name;
        return settings;
    }

    private static NpgsqlDataSource Build(NpgsqlConnectionStringBuilder settings)
    {
#pragma warning disable RS0030 // The control database holds no tenant data; this room opens it.
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = "catalog" };
#pragma warning restore RS0030
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        return builder.Build();
    }

    private static async Task<int> VersionAsync(NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        try
        {
            await using var command = source.CreateCommand(
                $"SELECT max(version) FROM {Schema.Quoted}.schema_version WHERE area = $1 AND target = $2"
            );
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = MigrationSet.Catalog.Area });
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Schema.Name });
            return await command.ExecuteScalarAsync(cancellationToken) as int? ?? 0;
        }
        catch (PostgresException e)
            when (e.SqlState is PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.UndefinedTable)
        {
            throw new MigrationException("There is no catalog of TenantDocs in this database. Nothing was changed.", e);
        }
    }

    private static async Task CreateAsync(
        NpgsqlConnectionStringBuilder settings,
        PgIdentifier database,
        CancellationToken cancellationToken
    )
    {
        var maintenance = new NpgsqlConnectionStringBuilder(settings.ConnectionString)
        {
            Database = "postgres",
            Pooling = false,
        };
#pragma warning disable RS0030 // As above.
        await using var connection = new NpgsqlConnection(maintenance.ConnectionString);
#pragma warning restore RS0030
        await connection.OpenAsync(cancellationToken);
        await ExecuteAsync(
            connection,
            "SELECT pg_advisory_lock(hashtextextended('tenantdocs bootstrap', 0))",
            cancellationToken
        );
        await using var exists = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = $1", connection);
        exists.Parameters.Add(new NpgsqlParameter<string> { TypedValue = database.Name });
        if (await exists.ExecuteScalarAsync(cancellationToken) is null)
        {
            await ExecuteAsync(
                connection,
                $"CREATE DATABASE {database.Quoted} TEMPLATE template0 ENCODING 'UTF8'",
                cancellationToken
            );
        }

        // Also where somebody else made it: by default everybody may connect to a database and put temporary tables there.
        if (await IsOpenToPublicAsync(connection, database, cancellationToken))
        {
            await ExecuteAsync(connection, $"REVOKE ALL ON DATABASE {database.Quoted} FROM PUBLIC", cancellationToken);
            if (await IsOpenToPublicAsync(connection, database, cancellationToken))
            {
                // PostgreSQL only warns when who revokes is not the owner.
                throw new TenantIsolationException(
                    $"Everybody may connect to the control database '{database}', and this administrator cannot change that; "
                        + $"nothing is served. Let its owner run: REVOKE ALL ON DATABASE {database.Quoted} FROM PUBLIC."
                );
            }
        }
    }

    private static async Task<bool> IsOpenToPublicAsync(
        NpgsqlConnection connection,
        PgIdentifier database,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            """
            SELECT 1 FROM pg_database AS d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
             WHERE d.datname = $1 AND a.grantee = 0 LIMIT 1
            """,
            connection
        );
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = database.Name });
        return await command.ExecuteScalarAsync(cancellationToken) is not null;
    }

    /// <summary>Whether everybody may connect to the control database, which only this program should.</summary>
    internal async Task<bool> IsOpenToPublicAsync(CancellationToken cancellationToken)
    {
        await using var connection = await Source.OpenConnectionAsync(cancellationToken);
        return await IsOpenToPublicAsync(connection, new PgIdentifier(connection.Database), cancellationToken);
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
