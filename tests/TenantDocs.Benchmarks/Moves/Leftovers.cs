using System.Diagnostics;
using Npgsql;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>What moves must not leave behind.</summary>
internal static class Leftovers
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>Replication slots and publications on the servers, when clean-up has had its time.</summary>
    public static async Task<long> CountAsync(IEnumerable<string> servers)
    {
        var all = servers.ToList();
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            var left = 0L;
            foreach (var server in all)
            {
                left += await CountAsync(server);
            }

            if (left == 0 || Stopwatch.GetElapsedTime(started) > Patience)
            {
                return left;
            }

            await Task.Delay(200);
        }
    }

    private static async Task<long> CountAsync(string server)
    {
        var databases = new List<string>();
        long left;
        await using (var connection = await OpenAsync(server, "postgres"))
        {
            left = await ScalarAsync(connection, "SELECT count(*) FROM pg_replication_slots");
            await using var list = new NpgsqlCommand(
                "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate",
                connection
            );
            await using var names = await list.ExecuteReaderAsync();
            while (await names.ReadAsync())
            {
                databases.Add(names.GetString(0));
            }
        }

        foreach (var database in databases)
        {
            try
            {
                await using var connection = await OpenAsync(server, database);
                left += await ScalarAsync(connection, "SELECT count(*) FROM pg_publication");
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName)
            {
                // A left home, removed in this moment.
            }
        }

        return left;
    }

    private static async Task<NpgsqlConnection> OpenAsync(string server, string database)
    {
        var settings = new NpgsqlConnectionStringBuilder(server) { Database = database, Pooling = false };
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    private static async Task<long> ScalarAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
