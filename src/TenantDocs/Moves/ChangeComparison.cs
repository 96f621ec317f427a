using System.Globalization;
using Npgsql;
using TenantDocs.Isolation;

namespace TenantDocs.Moves;

/// <summary>Compares the rows with certain keys on both sides: one round trip to each, both at the same time.</summary>
internal sealed class ChangeComparison(IReadOnlyList<MoveTable> source, IReadOnlyList<MoveTable> target)
{
    private const int MaxDifferences = 20;

    // Keys are looked up by the primary key, whatever the planner thinks of tables that it has no statistics of yet: a
    // scan of a bloated table for each key took 20 s in the pause.
    private const string ByIndexSql = """
        SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
               set_config('enable_mergejoin', 'off', true)
        """;

    /// <summary>Names of tables and keys that differ, at most twenty.</summary>
    public async Task<IReadOnlyList<string>> CompareAsync(
        NpgsqlConnection sourceConnection,
        NpgsqlConnection targetConnection,
        DirtyKeys keys,
        CancellationToken cancellationToken,
        bool ignoreResult = false
    )
    {
        var tables = source.Where(t => keys.Of(t).Count > 0).ToList();
        if (tables.Count == 0)
        {
            return [];
        }

        var others = tables.Select(t => target.First(o => o.Name == t.Name) with { Columns = t.Columns }).ToList();
        var left = ReadAsync(sourceConnection, tables, keys, cancellationToken);
        var right = ReadAsync(targetConnection, others, keys, cancellationToken);
        await Task.WhenAll(left, right);
        return ignoreResult ? [] : Differences(tables, await left, await right);
    }

    private static List<string> Differences(
        List<MoveTable> tables,
        List<Dictionary<string, string>> left,
        List<Dictionary<string, string>> right
    )
    {
        var found = new List<string>();
        foreach (var (i, table) in tables.Index())
        {
            found.AddRange(
                left[i]
                    .Keys.Union(right[i].Keys)
                    .Where(k => left[i].GetValueOrDefault(k) != right[i].GetValueOrDefault(k))
                    .Order(StringComparer.Ordinal)
                    .Take(MaxDifferences - Math.Min(MaxDifferences, found.Count))
                    .Select(k => $"{table.Name} {k}")
            );
        }

        return found;
    }

    private static async Task<List<Dictionary<string, string>>> ReadAsync(
        NpgsqlConnection connection,
        List<MoveTable> tables,
        DirtyKeys keys,
        CancellationToken cancellationToken
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand(ByIndexSql));
        foreach (var table in tables)
        {
            batch.BatchCommands.Add(Command(table, keys.Of(table)));
        }

        var results = new List<Dictionary<string, string>>();
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        while (await reader.NextResultAsync(cancellationToken))
        {
            var rows = new Dictionary<string, string>(StringComparer.Ordinal);
            while (await reader.ReadAsync(cancellationToken))
            {
                rows[reader.GetString(0)] = reader.GetString(1);
            }

            results.Add(rows);
        }

        return results;
    }

    private static NpgsqlBatchCommand Command(MoveTable table, IReadOnlyCollection<string[]> keys)
    {
        // Arrays of text that are cast to the columns' types: the primary key's index finds the rows.
        var arrays = string.Join(", ", table.Key.Select((_, i) => $"${Number(i + 1)}::text[]"));
        var names = string.Join(", ", table.Key.Select((_, i) => $"k{Number(i)}"));
        var join = string.Join(
            " AND ",
            table.Key.Select((column, i) => $"t.{column.Name.Quoted} = u.k{Number(i)}::{column.Type}")
        );
        var command = new NpgsqlBatchCommand(
            $"""
            SELECT r.key, encode(r.hash, 'hex')
              FROM ({ContentVerifier.RowsSql(table)} JOIN unnest({arrays}) AS u ({names}) ON {join}) AS r
            """
        );
        for (var i = 0; i < table.Key.Count; i++)
        {
            command.Parameters.Add(SqlValue.Of(keys.Select(k => k[i]).ToArray()));
        }

        return command;
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
