using System.Buffers.Binary;
using System.Diagnostics;
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
/// their key; a chunk's hash is the sum of its rows' hashes modulo 2^256, so that no order has to be the same on both
/// sides; the table's hash is SHA-256 over its chunks. Only chunks that differ are looked into, to name the keys.
/// </summary>
/// <remarks>
/// The sum is AdHash (Bellare, Micciancio: A New Paradigm for Collision-free Hashing, EUROCRYPT 1997). Rows are read piece by
/// piece through a cursor: nothing is kept but the chunks, and between the pieces other tenants get their turn.
/// </remarks>
internal static class ContentVerifier
{
    private const int MaxDifferences = 20;

    // A whole table is read before there is an answer.
    private const int AsLongAsItTakes = 0;

    /// <summary>Compares every table, and looks for rows of other tenants where there must be none.</summary>
    /// <param name="source">A connection inside the source's snapshot.</param>
    /// <param name="sourceTables">Its tables.</param>
    /// <param name="target">A connection inside the target's snapshot.</param>
    /// <param name="targetTables">Its tables.</param>
    /// <param name="tenant">Whose rows.</param>
    /// <param name="exclusive">True when the target is the tenant's alone.</param>
    /// <param name="pacer">Lets the work rest; null where it must not.</param>
    /// <param name="report">Called now and then with the source's rows read so far.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static async Task<IReadOnlyList<TableVerification>> CompareAsync(
        NpgsqlConnection source,
        IReadOnlyList<MoveTable> sourceTables,
        NpgsqlConnection target,
        IReadOnlyList<MoveTable> targetTables,
        TenantId tenant,
        bool exclusive,
        SourcePacer? pacer,
        Func<long, Task> report,
        CancellationToken cancellationToken
    )
    {
        var compared = new List<TableVerification>();
        var rows = 0L;
        var looks = pacer is null ? 1 : 3; // while writes are held, each is time
        var trips = await BothAsync(
            TripAsync(source, looks, cancellationToken),
            TripAsync(target, looks, cancellationToken)
        );
        foreach (var table in sourceTables)
        {
            // The column list is the source's on both sides: by name, in one order.
            var other = targetTables.First(t => t.Name == table.Name) with
            {
                Columns = table.Columns,
            };
            var before = rows;
            var (left, right) = await BothAsync(
                ReadAsync(source, table, tenant, pacer, trips.Left, read => report(before + read), cancellationToken),
                ReadAsync(target, other, tenant, pacer, trips.Right, _ => Task.CompletedTask, cancellationToken)
            );
            rows += left.Rows;
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
        SourcePacer? pacer,
        TimeSpan trip,
        Func<long, Task> report,
        CancellationToken cancellationToken
    )
    {
        // DECLARE takes no parameters; a tenant id holds hexadecimal digits and hyphens only. All rows are read, so the plan
        // for all is wanted, not the one for the first few that cursors get.
        await ExecuteAsync(
            connection,
            $"""
            SET LOCAL cursor_tuple_fraction = 1;
            DECLARE content NO SCROLL CURSOR FOR
            SELECT r.chunk, r.hash FROM ({RowsSql(table)} WHERE t.tenant_id = '{tenant}') AS r
            """,
            cancellationToken
        );
        var content = new TableContent();
        var piece = pacer is null ? PieceSize.Plain : PieceSize.Polite;
        var (size, got) = (PieceSize.First, PieceSize.First);
        // Since the last rest, over several pieces: one alone may be too short to rest after.
        var since = Stopwatch.GetTimestamp();
        while (got == size)
        {
            var began = Stopwatch.GetTimestamp();
            got = await FetchAsync(connection, size, content, cancellationToken);
            var took = Stopwatch.GetElapsedTime(began) - trip;
            await report(content.Rows);
            since = pacer is null ? since : await pacer.RestAsync(since, cancellationToken);

            // Large documents come few at a time, so that a piece is neither a burden nor a mere round trip.
            if (got == size)
            {
                size = got = piece.After(size, took);
            }
        }

        await ExecuteAsync(connection, "CLOSE content", cancellationToken);
        return content;
    }

    // The shortest of a few: what a far server takes for nothing at all.
    private static async Task<TimeSpan> TripAsync(
        NpgsqlConnection connection,
        int looks,
        CancellationToken cancellationToken
    )
    {
        var shortest = TimeSpan.MaxValue;
        for (var i = 0; i < looks; i++)
        {
            var began = Stopwatch.GetTimestamp();
            await ExecuteAsync(connection, "SELECT 1", cancellationToken);
            var took = Stopwatch.GetElapsedTime(began);
            shortest = took < shortest ? took : shortest;
        }

        return shortest;
    }

    private static async Task<int> FetchAsync(
        NpgsqlConnection connection,
        int size,
        TableContent content,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand($"FETCH {size} FROM content", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var hash = new byte[SHA256.HashSizeInBytes];
        var got = 0;
        while (await reader.ReadAsync(cancellationToken))
        {
            reader.GetBytes(1, 0, hash, 0, hash.Length);
            content.Add(reader.GetInt32(0), hash);
            got++;
        }

        return got;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
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
        )
        {
            CommandTimeout = AsLongAsItTakes,
        };
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
        )
        {
            CommandTimeout = AsLongAsItTakes,
        };
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
internal sealed class TableContent
{
    private const int Chunks = 256;
    private readonly Chunk[] _chunks = [.. Enumerable.Range(0, Chunks).Select(_ => new Chunk())];

    /// <summary>Rows so far.</summary>
    public long Rows { get; private set; }

    /// <summary>SHA-256 over the chunks, hexadecimal.</summary>
    public string Hash
    {
        get
        {
            using var root = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (var chunk in _chunks)
            {
                chunk.AppendTo(root);
            }

            return Convert.ToHexStringLower(root.GetHashAndReset());
        }
    }

    /// <summary>Adds a row.</summary>
    /// <param name="chunk">Where its key belongs, 0 to 255.</param>
    /// <param name="hash">SHA-256 of the row.</param>
    public void Add(int chunk, ReadOnlySpan<byte> hash)
    {
        _chunks[chunk].Add(hash);
        Rows++;
    }

    /// <summary>The chunks that are not the same on both sides.</summary>
    public IReadOnlyList<int> DifferingChunks(TableContent other) =>
        [.. Enumerable.Range(0, Chunks).Where(c => !_chunks[c].IsSame(other._chunks[c]))];

    private sealed class Chunk
    {
        private readonly ulong[] _sum = new ulong[SHA256.HashSizeInBytes / sizeof(ulong)];
        private long _rows;

        public void Add(ReadOnlySpan<byte> hash)
        {
            UInt128 carry = 0;
            for (var i = 0; i < _sum.Length; i++)
            {
                carry += _sum[i];
                carry += BinaryPrimitives.ReadUInt64LittleEndian(hash[(i * sizeof(ulong))..]);
                _sum[i] = (ulong)carry;
                carry >>= 64;
            }

            _rows++;
        }

        public bool IsSame(Chunk other) => _rows == other._rows && _sum.AsSpan().SequenceEqual(other._sum);

        public void AppendTo(IncrementalHash root)
        {
            Span<byte> bytes = stackalloc byte[sizeof(long)];
            BinaryPrimitives.WriteInt64BigEndian(bytes, _rows);
            root.AppendData(bytes);
            foreach (var part in _sum)
            {
                BinaryPrimitives.WriteUInt64BigEndian(bytes, part);
                root.AppendData(bytes);
            }
        }
    }
}
