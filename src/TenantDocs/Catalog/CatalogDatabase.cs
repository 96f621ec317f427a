using Npgsql;
using TenantDocs.Database;

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
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        var database = settings.Database is { Length: > 0 } given and not "postgres"
            ? new PgIdentifier(given)
            : names.Catalog;
        await CreateAsync(settings, database, cancellationToken);

        settings.Database = database.Name;
        settings.SearchPath = Schema.Name;
        settings.ApplicationName = "tenantdocs-catalog";
        settings.MaxPoolSize = 20;
        settings.MaxAutoPrepare = 100;
        settings.AutoPrepareMinUsages = 2;
#pragma warning disable RS0030 // The control database holds no tenant data; this room opens it.
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = "catalog" };
#pragma warning restore RS0030
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        var source = builder.Build();
        await using (var connection = await source.OpenConnectionAsync(cancellationToken))
        {
            await ExecuteAsync(connection, $"CREATE SCHEMA IF NOT EXISTS {Schema.Quoted}", cancellationToken);
            await MigrationRunner.PrepareAsync(connection, Schema, cancellationToken);
            await MigrationRunner.MigrateAsync(connection, MigrationSet.Catalog, Schema, Schema, cancellationToken);
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
            await ExecuteAsync(connection, $"REVOKE ALL ON DATABASE {database.Quoted} FROM PUBLIC", cancellationToken);
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
