using Npgsql;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>Plain SQL on a connection of the test's own, in as few words as the tests deserve.</summary>
internal static class SqlExtensions
{
    public static async Task<int> ExecuteAsync(
        this NpgsqlConnection connection,
        string sql,
        params NpgsqlParameter[] parameters
    )
    {
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.AddRange(parameters);
        return await command.ExecuteNonQueryAsync();
    }

    /// <summary>The first column of the first row; default when there is no row or it is NULL.</summary>
    public static async Task<T?> AskAsync<T>(
        this NpgsqlConnection connection,
        string sql,
        params NpgsqlParameter[] parameters
    )
    {
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.AddRange(parameters);
        return await command.ExecuteScalarAsync() is T value ? value : default;
    }

    public static async Task<List<string>> LinesAsync(
        this NpgsqlConnection connection,
        string sql,
        params NpgsqlParameter[] parameters
    )
    {
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.AddRange(parameters);
        await using var reader = await command.ExecuteReaderAsync();
        var lines = new List<string>();
        while (await reader.ReadAsync())
        {
            lines.Add(reader.GetString(0));
        }

        return lines;
    }

    /// <summary>The statement must be refused with this SQLSTATE; an open transaction goes on as it was.</summary>
    public static async Task<PostgresException> RefusedAsync(
        this NpgsqlConnection connection,
        string sqlState,
        string sql,
        params NpgsqlParameter[] parameters
    )
    {
        var inTransaction = await connection.AskAsync<bool>("SELECT pg_current_xact_id_if_assigned() IS NOT NULL");
        if (inTransaction)
        {
            await connection.ExecuteAsync("SAVEPOINT before_the_attack");
        }

        var refusal = await Assert.ThrowsAsync<PostgresException>(() => connection.ExecuteAsync(sql, parameters));
        Assert.Equal(sqlState, refusal.SqlState);
        if (inTransaction)
        {
            await connection.ExecuteAsync("ROLLBACK TO SAVEPOINT before_the_attack");
        }

        return refusal;
    }

    /// <summary>Waits, however slow the machine is, until a count is as it must become; the test's own limit ends it.</summary>
    public static async Task UntilAsync(
        this NpgsqlConnection connection,
        string count,
        Func<long, bool> reached,
        params NpgsqlParameter[] parameters
    )
    {
        while (!reached(await connection.AskAsync<long>(count, [.. parameters.Select(p => p.Clone())])))
        {
            AttackGround.Stop.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
