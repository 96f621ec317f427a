using System.Buffers.Binary;
using System.Security.Cryptography;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Moves;

/// <summary>What the comparison of one table found.</summary>
/// <param name="Name">The table.</param>
/// <param name="Rows">Rows on the source.</param>
/// <param name="SourceHash">SHA-256 over the source's chunk hashes, hexadecimal.</param>
/// <param name="TargetHash">The same of the target.</param>
public sealed record TableVerification(string Name, long Rows, string SourceHash, string TargetHash)
{
    /// <summary>Keys whose rows differ, are missing or are too many; at most twenty.</summary>
    public IReadOnlyList<string> Differences { get; init; } = [];

    /// <summary>Whether both sides hold the same rows.</summary>
    public bool Equal => SourceHash == TargetHash && Differences.Count == 0;
}

/// <summary>
/// Proves that both sides hold the same rows. A row's hash is SHA-256 of its text form; rows fall into 256 chunks by
/// their key; a chunk's hash covers its rows in order of key, the table's hash its chunks. Only chunks that differ are
/// looked into, to name the keys.
/// </summary>
internal static class ContentVerifier
{
    private const int MaxDifferences = 20;

    /// <summary>Compares every table, and looks for rows of other tenants where there must be none.</summary>
    /// <param name="source">A connection inside the source's snapshot.</param>
    /// <param name="sourceTables">Its tables.</param>
    /// <param name="target">A connection inside the target's snapshot.</param>
    /// <param name="targetTables">Its tables.</param>
    /// <param name="tenant">Whose rows.</param>
    /// <param name="exclusive">True when the target is the tenant's alone.</param>
    /// <param name="report">Called after each table with how many were compared.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static async Task<IReadOnlyList<TableVerification>> CompareAsync(
        NpgsqlConnection source,
        IReadOnlyList<MoveTable> sourceTables,
        NpgsqlConnection target,
        IReadOnlyList<MoveTable> targetTables,
        TenantId tenant,
        bool exclusive,
        Func<int, Task> report,
        CancellationToken cancellationToken
    )
    {
        var compared = new List<TableVerification>();
        foreach (var table in sourceTables)
        {
            // The column list is the source's on both sides: by name, in one order.
            var other = targetTables.First(t => t.Name == table.Name) with
            {
                Columns = table.Columns,
            };
            var (left, right) = await BothAsync(
                ReadAsync(source, table, tenant, cancellationToken),
                ReadAsync(target, other, tenant, cancellationToken)
            );
            var differences = left.DifferingChunks(right);
            var keys =
                differences.Count == 0
                    ? []
                    : await NameAsync(source, table, target, other, tenant, differences, cancellationToken);
            if (exclusive && await CountForeignAsync(target, other, tenant, cancellationToken) is > 0 and var foreign)
            {
                keys = [.. keys, $"{foreign} rows of other tenants"];
            }

            compared.Add(
                new TableVerification(table.Name.Name, left.Rows, left.Hash, right.Hash) { Differences = keys }
            );
            await report(compared.Count);
        }

        return compared;
    }

    private static async Task<(T Left, T Right)> BothAsync<T>(Task<T> left, Task<T> right)
    {
        await Task.WhenAll(left, right);
        return (await left, await right);
    }

    private static async Task<TableContent> ReadAsync(
        NpgsqlConnection connection,
        MoveTable table,
        TenantId tenant,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            $"""
            SELECT r.chunk, count(*), sha256(string_agg(r.hash, ''::bytea ORDER BY r.key COLLATE "C"))
              FROM ({RowsSql(table)} WHERE t.tenant_id = $1) AS r
             GROUP BY r.chunk
             ORDER BY r.chunk
            """,
            connection
        );
        command.Parameters.Add(SqlValue.Of(tenant.Value));
        var chunks = new SortedDictionary<int, (long Rows, byte[] Hash)>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            chunks.Add(reader.GetInt32(0), (reader.GetInt64(1), reader.GetFieldValue<byte[]>(2)));
        }

        return new TableContent(chunks);
    }

    private static async Task<List<string>> NameAsync(
        NpgsqlConnection source,
        MoveTable table,
        NpgsqlConnection target,
        MoveTable other,
        TenantId tenant,
        IReadOnlyList<int> chunks,
        CancellationToken cancellationToken
    )
    {
        var (left, right) = await BothAsync(
            ReadChunkAsync(source, table, tenant, chunks[0], cancellationToken),
            ReadChunkAsync(target, other, tenant, chunks[0], cancellationToken)
        );
        return Differences(left, right);
    }

    private static async Task<Dictionary<string, string>> ReadChunkAsync(
        NpgsqlConnection connection,
        MoveTable table,
        TenantId tenant,
        int chunk,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            $"SELECT r.key, encode(r.hash, 'hex') FROM ({RowsSql(table)} WHERE t.tenant_id = $1) AS r WHERE r.chunk = $2",
            connection
        );
        command.Parameters.Add(SqlValue.Of(tenant.Value));
        command.Parameters.Add(SqlValue.Of(chunk));
        return await ReadHashesAsync(command, cancellationToken);
    }

    private static async Task<Dictionary<string, string>> ReadHashesAsync(
        NpgsqlCommand command,
        CancellationToken cancellationToken
    )
    {
        var rows = new Dictionary<string, string>(StringComparer.Ordinal);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            rows[reader.GetString(0)] = reader.GetString(1);
        }

        return rows;
    }

    private static async Task<long> CountForeignAsync(
        NpgsqlConnection connection,
        MoveTable table,
        TenantId tenant,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            $"SELECT count(*) FROM {table.Quoted} WHERE tenant_id <> $1",
            connection
        );
        command.Parameters.Add(SqlValue.Of(tenant.Value));
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private static List<string> Differences(Dictionary<string, string> left, Dictionary<string, string> right) =>
        [
            .. left.Where(l => !right.TryGetValue(l.Key, out var hash) || hash != l.Value)
                .Select(l => l.Key)
                .Concat(right.Keys.Where(k => !left.ContainsKey(k)))
                .Order(StringComparer.Ordinal)
                .Take(MaxDifferences),
        ];

    // The row's text form tells NULL from '' and needs no knowledge of types; the mover's session fixes its settings.
    internal static string RowHash(MoveTable table) =>
        "sha256(convert_to(ROW("
        + string.Join(", ", table.Columns.Select(c => $"t.{c.Name.Quoted}"))
        + ")::text, 'UTF8'))";

    private static string RowsSql(MoveTable table)
    {
        var key = "ROW(" + string.Join(", ", table.Key.Select(c => $"t.{c.Name.Quoted}")) + ")::text";
        return $"""
            SELECT {key} AS key, {RowHash(table)} AS hash,
                   get_byte(sha256(convert_to({key}, 'UTF8')), 0) AS chunk
              FROM {table.Quoted} AS t
            """;
    }
}

/// <summary>The chunk hashes of one table on one side.</summary>
internal sealed class TableContent(IReadOnlyDictionary<int, (long Rows, byte[] Hash)> chunks)
{
    public long Rows { get; } = chunks.Values.Sum(c => c.Rows);

    public string Hash { get; } = Root(chunks);

    public IReadOnlyList<int> DifferingChunks(TableContent other) =>
        [
            .. chunks
                .Keys.Union(other.Chunks.Keys)
                .Where(c =>
                    !chunks.TryGetValue(c, out var left)
                    || !other.Chunks.TryGetValue(c, out var right)
                    || left.Rows != right.Rows
                    || !left.Hash.AsSpan().SequenceEqual(right.Hash)
                )
                .Order(),
        ];

    private IReadOnlyDictionary<int, (long Rows, byte[] Hash)> Chunks => chunks;

    private static string Root(IReadOnlyDictionary<int, (long Rows, byte[] Hash)> chunks)
    {
        using var root = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> head = stackalloc byte[12];
        foreach (var (chunk, (rows, hash)) in chunks.OrderBy(c => c.Key))
        {
            BinaryPrimitives.WriteInt32BigEndian(head, chunk);
            BinaryPrimitives.WriteInt64BigEndian(head[4..], rows);
            root.AppendData(head);
            root.AppendData(hash);
        }

        return Convert.ToHexStringLower(root.GetHashAndReset());
    }
}
