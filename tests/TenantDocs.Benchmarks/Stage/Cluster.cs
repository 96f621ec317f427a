using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using TenantDocs.LocalPostgres;

namespace TenantDocs.Benchmarks.Stage;

/// <summary>An embedded cluster of this run's own, with the settings that users get: durable.</summary>
internal sealed class Cluster : IAsyncDisposable
{
    private readonly LocalPostgresClusters _clusters;

    private Cluster(LocalPostgresClusters clusters, string folder)
    {
        _clusters = clusters;
        Folder = folder;
    }

    /// <summary>For files of the run; removed at its end.</summary>
    public string Folder { get; }

    /// <summary>Superuser, database <c>postgres</c>.</summary>
    public string ConnectionString => _clusters.Clusters[0].ConnectionString;

    public Version Version => _clusters.Clusters[0].Version;

    /// <summary>The postmaster.</summary>
    public int ProcessId => _clusters.Clusters[0].ProcessId ?? throw new BenchmarkException("PostgreSQL is down.");

    public int Port => _clusters.Clusters[0].Port;

    public static async Task<Cluster> StartAsync()
    {
        var folder = Path.Combine(Path.GetTempPath(), "tenantdocs-bench-" + Path.GetRandomFileName());
        PrivateFile.CreateFolder(folder, PrivateFile.PassableFolder);
        var options = new LocalPostgresOptions
        {
            DataFolder = folder,
            Clusters = { "local-1" },
            // Product, floor and peers keep their pools open beside each other.
            MaxConnections = 300,
        };
        var clusters = await LocalPostgresClusters.StartAsync(
            options,
            NullLoggerFactory.Instance,
            TimeProvider.System,
            CancellationToken.None
        );
        return new Cluster(clusters, folder);
    }

    /// <summary>A superuser's connection string to a database.</summary>
    public string To(string database, string? searchPath = null) =>
        new NpgsqlConnectionStringBuilder(ConnectionString)
        {
            Database = database,
            SearchPath = searchPath,
            MaxPoolSize = 40,
            CommandTimeout = 0,
        }.ConnectionString;

    /// <summary>An open connection of a superuser.</summary>
    public async Task<NpgsqlConnection> OpenAsync(string database, string? searchPath = null)
    {
        var settings = new NpgsqlConnectionStringBuilder(To(database, searchPath)) { Pooling = false };
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    public async Task ExecuteAsync(string database, string sql)
    {
        await using var connection = await OpenAsync(database);
        await connection.ExecuteAsync(sql);
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        await _clusters.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }
}

internal static class SqlExtensions
{
    public static async Task ExecuteAsync(this NpgsqlConnection connection, string sql, params object[] values)
    {
        await using var command = connection.Command(sql, values);
        await command.ExecuteNonQueryAsync();
    }

    public static async Task<T> ScalarAsync<T>(this NpgsqlConnection connection, string sql, params object[] values)
    {
        await using var command = connection.Command(sql, values);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    private static NpgsqlCommand Command(this NpgsqlConnection connection, string sql, object[] values)
    {
        var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        foreach (var value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        return command;
    }
}
