using Npgsql;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Moves;

/// <summary>A column of a tenant table that holds a value of its own (generated ones follow from the others).</summary>
internal sealed record MoveColumn(PgIdentifier Name, string Type);

/// <summary>A table that moves with a tenant, as the server's catalog describes it.</summary>
internal sealed record MoveTable(
    PgIdentifier Schema,
    PgIdentifier Name,
    IReadOnlyList<MoveColumn> Columns,
    IReadOnlyList<MoveColumn> Key
)
{
    public string Quoted => $"{Schema.Quoted}.{Name.Quoted}";

    public string ColumnList => string.Join(", ", Columns.Select(c => c.Name.Quoted));

    public bool HasSameColumnsAs(MoveTable other) =>
        Columns
            .OrderBy(c => c.Name.Name, StringComparer.Ordinal)
            .SequenceEqual(other.Columns.OrderBy(c => c.Name.Name, StringComparer.Ordinal))
        && Key.SequenceEqual(other.Key);
}

/// <summary>
/// The tenant tables of a schema, taken from the server's catalog: a table that a later migration adds moves too,
/// without anybody having to think of it.
/// </summary>
internal static class MoveTables
{
    private const string Sql = """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
               coalesce(array_position(k.conkey, a.attnum), 0), a.attgenerated <> ''
          FROM pg_class AS c
          JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          LEFT JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'p'
         WHERE c.relnamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = $1) AND c.relkind IN ('r', 'p')
         ORDER BY c.relname, a.attnum
        """;

    /// <summary>Reads them, in order of name.</summary>
    /// <exception cref="MoveFaultException">A table's key does not begin with the tenant: its rows cannot be told apart.</exception>
    public static async Task<IReadOnlyList<MoveTable>> ReadAsync(
        NpgsqlConnection connection,
        PgIdentifier schema,
        CancellationToken cancellationToken
    )
    {
        var rows = new List<(string Table, MoveColumn Column, int Key, bool Generated)>();
        await using (var command = new NpgsqlCommand(Sql, connection))
        {
            command.Parameters.Add(SqlValue.Of(schema.Name));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                var column = new MoveColumn(new PgIdentifier(reader.GetString(1)), reader.GetString(2));
                rows.Add((reader.GetString(0), column, reader.GetInt32(3), reader.GetBoolean(4)));
            }
        }

        return [.. rows.GroupBy(r => r.Table).Select(g => Table(schema, g.Key, [.. g]))];
    }

    /// <summary>Makes sure that both sides have the same tables with the same columns.</summary>
    /// <exception cref="MoveFaultException">They have not.</exception>
    public static void EnsureEqual(IReadOnlyList<MoveTable> left, IReadOnlyList<MoveTable> right)
    {
        var missing = left.Select(t => t.Name.Name).Except(right.Select(t => t.Name.Name)).ToList();
        var other = left.Where(t => right.Any(r => r.Name == t.Name && !r.HasSameColumnsAs(t))).ToList();
        if (left.Count == 0 || missing.Count > 0 || other.Count > 0 || left.Count != right.Count)
        {
            throw new MoveFaultException(
                "The tables of both sides are not the same: "
                    + string.Join(", ", missing.Concat(other.Select(t => t.Name.Name)).DefaultIfEmpty("other tables"))
            );
        }
    }

    private static MoveTable Table(
        PgIdentifier schema,
        string name,
        List<(string Table, MoveColumn Column, int Key, bool Generated)> rows
    )
    {
        var key = rows.Where(r => r.Key > 0).OrderBy(r => r.Key).Select(r => r.Column).ToList();
        if (key.Count == 0 || key[0].Name.Name != "tenant_id")
        {
            throw new MoveFaultException($"The table '{name}' has no primary key that begins with tenant_id.");
        }

        return new MoveTable(
            schema,
            new PgIdentifier(name),
            [.. rows.Where(r => !r.Generated).Select(r => r.Column)],
            key
        );
    }
}
