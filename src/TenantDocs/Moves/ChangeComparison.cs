using System.Globalization;
using Npgsql;
using TenantDocs.Isolation;

namespace TenantDocs.Moves;

/// <summary>Compares the rows with certain keys on both sides: one round trip to each, both at the same time.</summary>
internal sealed class ChangeComparison(IReadOnlyList<MoveTable> source, IReadOnlyList<MoveTable> target)
{
    private const int PageSize = 1_000;

    // Keys are looked up by the primary key, whatever the planner thinks of tables that it has no statistics of yet: a
    // scan of a bloated table for each key took 20 s in the pause.
    private const string ByIndexSql = """
        SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
               set_config('enable_mergejoin', 'off', true)
        """;

    /// <summary>
    /// The keys whose rows differ, or are on one side only. With <paramref name="ends"/>, the last round trip opens a
    /// transaction on each side, in which those statements run after the comparison; the caller commits or ends both.
    /// </summary>
    public async Task<IReadOnlyList<RowKey>> CompareAsync(
        NpgsqlConnection sourceConnection,
        NpgsqlConnection targetConnection,
        IReadOnlyList<RowKey> keys,
        CancellationToken cancellationToken,
        HeldEnds? ends = null
    )
    {
        var differences = new List<RowKey>();
        var pages = keys.Chunk(PageSize).ToList();
        if (pages.Count == 0 && ends is not null)
        {
            pages.Add([]);
        }

        foreach (var (number, page) in pages.Index())
        {
            var last = number == pages.Count - 1 ? ends : null;
            var byTable = page.GroupBy(k => k.Table)
                .Select(g => (Table: source.First(t => t.Name == g.Key), Keys: g.ToList()))
                .ToList();
            // The column list is the source's on both sides: by name, in one order.
            var others = byTable
                .Select(p => (target.First(o => o.Name == p.Table.Name) with { Columns = p.Table.Columns }, p.Keys))
                .ToList();
            var left = ReadAsync(sourceConnection, byTable, last?.Source, cancellationToken);
            var right = ReadAsync(targetConnection, others, last?.Target, cancellationToken);
            await Task.WhenAll(left, right);
            foreach (var (table, (a, b)) in (await left).Zip(await right).Index())
            {
                differences.AddRange(byTable[table].Keys.Where((_, i) => !a[i].AsSpan().SequenceEqual(b[i])));
            }
        }

        return differences;
    }

    // One hash per key, in the order of the keys; empty where there is no row.
    private static async Task<List<byte[][]>> ReadAsync(
        NpgsqlConnection connection,
        List<(MoveTable Table, List<RowKey> Keys)> tables,
        IReadOnlyList<NpgsqlBatchCommand>? end,
        CancellationToken cancellationToken
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        if (end is not null)
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand("BEGIN"));
        }

        batch.BatchCommands.Add(new NpgsqlBatchCommand(ByIndexSql));
        foreach (var (table, keys) in tables)
        {
            batch.BatchCommands.Add(Command(table, keys));
        }

        foreach (var command in end ?? [])
        {
            batch.BatchCommands.Add(command);
        }

        var results = new List<byte[][]>();
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        while (await reader.NextResultAsync(cancellationToken))
        {
            if (results.Count == tables.Count)
            {
                continue; // the statements at the end
            }

            var rows = new byte[tables[results.Count].Keys.Count][];
            while (await reader.ReadAsync(cancellationToken))
            {
                rows[reader.GetInt64(0) - 1] = reader.GetFieldValue<byte[]>(1);
            }

            results.Add(rows);
        }

        return results;
    }

    private static NpgsqlBatchCommand Command(MoveTable table, List<RowKey> keys)
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
            SELECT u.n, {ContentVerifier.RowHash(table)}
              FROM {table.Quoted} AS t JOIN unnest({arrays}) WITH ORDINALITY AS u ({names}, n) ON {join}
            """
        );
        for (var i = 0; i < table.Key.Count; i++)
        {
            command.Parameters.Add(SqlValue.Of(keys.Select(k => k.Values[i]).ToArray()));
        }

        return command;
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}

/// <summary>What each side does at the end of the pause, in the transaction of the last comparison.</summary>
/// <param name="Source">It closes.</param>
/// <param name="Target">It opens.</param>
internal sealed record HeldEnds(IReadOnlyList<NpgsqlBatchCommand> Source, IReadOnlyList<NpgsqlBatchCommand> Target);
