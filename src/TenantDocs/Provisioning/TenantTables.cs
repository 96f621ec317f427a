using Npgsql;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Provisioning;

/// <summary>A table that holds tenants' rows.</summary>
/// <param name="Schema">Its schema.</param>
/// <param name="Name">Its name.</param>
internal sealed record TenantTable(PgIdentifier Schema, PgIdentifier Name)
{
    public string Quoted => $"{Schema.Quoted}.{Name.Quoted}";
}

/// <summary>Works on all tables with a <c>tenant_id</c>, whichever they are in this version; as the mover role.</summary>
internal static class TenantTables
{
    // Tables that refer to others come before those, so that no cascade does in one transaction what batches should do.
    private const string ListSql = """
        WITH RECURSIVE tables AS (
            SELECT c.oid, c.relname FROM pg_catalog.pg_class AS c
              JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
             WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition),
        depths AS (
            SELECT t.oid, 0 AS depth FROM tables AS t
             UNION
            SELECT k.conrelid, d.depth + 1 FROM depths AS d
              JOIN pg_catalog.pg_constraint AS k ON k.confrelid = d.oid AND k.contype = 'f' AND k.conrelid <> k.confrelid
             WHERE d.depth < 20)
        SELECT t.relname::text FROM tables AS t JOIN depths AS d ON d.oid = t.oid
         GROUP BY t.relname ORDER BY max(d.depth) DESC, t.relname
        """;

    public static async Task<IReadOnlyList<TenantTable>> ListAsync(
        NpgsqlConnection connection,
        PgIdentifier schema,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(ListSql, connection);
        command.Parameters.Add(SqlValue.Of(schema.Name));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var tables = new List<TenantTable>();
        while (await reader.ReadAsync(cancellationToken))
        {
            tables.Add(new TenantTable(schema, new PgIdentifier(reader.GetString(0))));
        }

        return tables;
    }

    /// <summary>Rows of a tenant by table, all of one moment.</summary>
    public static async Task<IReadOnlyList<TableRows>> CountAsync(
        NpgsqlConnection connection,
        PgIdentifier schema,
        Guid tenant,
        CancellationToken cancellationToken
    )
    {
        var tables = await ListAsync(connection, schema, cancellationToken);
        if (tables.Count == 0)
        {
            return [];
        }

        var sql = string.Join(
            " UNION ALL ",
            tables.Select(t => $"SELECT '{t.Name}', count(*) FROM {t.Quoted} WHERE tenant_id = $1")
        );
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        command.Parameters.Add(SqlValue.Of(tenant));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var counts = new List<TableRows>();
        while (await reader.ReadAsync(cancellationToken))
        {
            counts.Add(new TableRows(reader.GetString(0), reader.GetInt64(1)));
        }

        return [.. counts.OrderBy(c => c.Name, StringComparer.Ordinal)];
    }

    /// <summary>Deletes a tenant's rows, so many per transaction.</summary>
    /// <param name="connection">As a role that sees them.</param>
    /// <param name="table">Of this table.</param>
    /// <param name="tenant">Whose.</param>
    /// <param name="batch">Rows per transaction.</param>
    /// <param name="guard">First in each transaction: what forbids it ends it.</param>
    /// <param name="cancellationToken">Stops between or in a transaction; what was deleted before stays so.</param>
    public static async Task DeleteAsync(
        NpgsqlConnection connection,
        TenantTable table,
        Guid tenant,
        int batch,
        Func<IEnumerable<NpgsqlBatchCommand>> guard,
        CancellationToken cancellationToken
    )
    {
        NpgsqlBatchCommand delete;
        do
        {
            delete = new NpgsqlBatchCommand(
                $"""
                DELETE FROM {table.Quoted}
                 WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table.Quoted} WHERE tenant_id = $1 LIMIT $2)) AND tenant_id = $1
                """
            )
            {
                Parameters = { SqlValue.Of(tenant), SqlValue.Of(batch) },
            };
            await using var commands = new NpgsqlBatch(connection);
            foreach (var command in guard().Append(delete))
            {
                commands.BatchCommands.Add(command);
            }

            await commands.ExecuteNonQueryAsync(cancellationToken);
        } while (delete.RecordsAffected >= batch);
    }
}

/// <summary>How many rows of a tenant a table holds.</summary>
/// <param name="Name">The table.</param>
/// <param name="Rows">Its rows.</param>
public sealed record TableRows(string Name, long Rows);
