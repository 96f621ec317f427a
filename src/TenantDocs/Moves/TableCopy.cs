using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;
using TenantDocs.Catalog;

namespace TenantDocs.Moves;

/// <summary>How far the copy of one table is.</summary>
/// <param name="Table">Its name.</param>
/// <param name="Rows">Rows copied.</param>
/// <param name="Bytes">Bytes copied, as binary COPY has them.</param>
/// <param name="Finished">Whether all are.</param>
internal sealed record CopyProgress(string Table, long Rows, long Bytes, bool Finished);

/// <summary>
/// Copies a tenant's rows as they are in a snapshot: binary COPY from one server piped into the other's, several tables
/// at a time, nothing kept in this process but two buffers per table. A table is there as a whole or not at all.
/// </summary>
internal sealed class TableCopy(MoveConnections connections, SourcePacer? pacer, Guid link, long token)
{
    private const int BufferSize = 128 * 1024;

    // While others come first, a server is busy with a piece for a millisecond or two: as long as theirs may wait for it.
    private const int SmallPiece = 16 * 1024;
    private readonly ConcurrentDictionary<string, CopyProgress> _progress = new(StringComparer.Ordinal);

    /// <summary>How far each table is.</summary>
    public IReadOnlyCollection<CopyProgress> Progress =>
        [.. _progress.Values.OrderBy(p => p.Table, StringComparer.Ordinal)];

    /// <summary>Copies all tables.</summary>
    /// <param name="snapshot">The source's rows.</param>
    /// <param name="source">Its tables.</param>
    /// <param name="to">The target, which has no row of the tenant.</param>
    /// <param name="target">Its tables.</param>
    /// <param name="tenant">Whose rows.</param>
    /// <param name="parallel">Tables at a time.</param>
    /// <param name="cancellationToken">Stops; what was copied stays.</param>
    public Task CopyAsync(
        BarrierSnapshot snapshot,
        IReadOnlyList<MoveTable> source,
        Placement to,
        IReadOnlyList<MoveTable> target,
        TenantId tenant,
        int parallel,
        CancellationToken cancellationToken
    )
    {
        foreach (var table in source)
        {
            _progress[table.Name.Name] = new CopyProgress(table.Name.Name, 0, 0, false);
        }

        // A connection costs more than a small table, and most are small: one pair for all that come one after the other.
        var left = new ConcurrentQueue<MoveTable>(source);
        return Parallel.ForEachAsync(
            Enumerable.Range(0, Math.Min(parallel, source.Count)),
            new ParallelOptions { MaxDegreeOfParallelism = parallel, CancellationToken = cancellationToken },
            async (_, stop) =>
            {
                await using var from = await snapshot.JoinAsync(connections, stop);
                await using var into = await connections.OpenReplicaAsync(to, stop);
                while (left.TryDequeue(out var table))
                {
                    stop.ThrowIfCancellationRequested();
                    var there = target.First(t => t.Name == table.Name);
                    await CopyAsync(from, snapshot.Place.Server, table, into, to.Server, there, tenant, stop);
                }
            }
        );
    }

    private async Task CopyAsync(
        NpgsqlConnection from,
        string source,
        MoveTable table,
        NpgsqlConnection to,
        string target,
        MoveTable into,
        TenantId tenant,
        CancellationToken cancellationToken
    )
    {
        await using var transaction = await to.BeginTransactionAsync(cancellationToken);
        // What the source answers is named where it is read.
        await DiskFullException.OnAsync(target, PipeAsync(from, source, table, to, into, tenant, cancellationToken));
        // A mover that slept while another one took over ends here.
        await using (var batch = new NpgsqlBatch(to))
        {
            batch.BatchCommands.Add(ChangeApplier.OpenCommand(link, token));
            await batch.ExecuteNonQueryAsync(cancellationToken);
        }

        await DiskFullException.OnAsync(target, transaction.CommitAsync(cancellationToken));
    }

    private async Task PipeAsync(
        NpgsqlConnection from,
        string source,
        MoveTable table,
        NpgsqlConnection to,
        MoveTable into,
        TenantId tenant,
        CancellationToken cancellationToken
    )
    {
        // COPY takes no parameters; a tenant id holds hexadecimal digits and hyphens only. By key: the target's index then
        // grows at its end, and the rows of a document lie together.
        var order = string.Join(", ", table.Key.Select(k => k.Name.Quoted));
        var select = $"""
            COPY (SELECT {table.ColumnList} FROM {table.Quoted} WHERE tenant_id = '{tenant}' ORDER BY {order})
            TO STDOUT (FORMAT binary)
            """;
        await using var output = await from.BeginRawBinaryCopyAsync(select, cancellationToken);
        await using var input = await to.BeginRawBinaryCopyAsync(
            $"COPY {into.Quoted} ({table.ColumnList}) FROM STDIN (FORMAT binary)",
            cancellationToken
        );
        try
        {
            await PipeAsync(output, source, input, table.Name.Name, cancellationToken);
        }
        catch
        {
            // Disposed as it is, it would end in the middle of a row, and the target's answer to that would hide what happened.
            await AbandonAsync(input);
            throw;
        }

        await input.DisposeAsync();
        var name = table.Name.Name;
        _progress[name] = _progress[name] with { Finished = true };
    }

    private static async Task AbandonAsync(NpgsqlRawCopyStream input)
    {
        try
        {
            await input.CancelAsync();
        }
        catch (Exception)
        {
            // Its connection is broken, or the target has ended it: what counts is the fault that is on its way already.
        }
    }

    private async Task PipeAsync(
        NpgsqlRawCopyStream output,
        string source,
        NpgsqlRawCopyStream input,
        string name,
        CancellationToken cancellationToken
    )
    {
        var counter = new BinaryCopyCounter();
        long bytes = 0;
        // Two buffers: one is filled while the other is written. A read gives one row at most, so it is filled with as many as
        // have arrived: a small table would cost a round of tasks per row otherwise.
        var reading = new byte[BufferSize];
        var writing = new byte[BufferSize];
        var since = Stopwatch.GetTimestamp();
        var read = await FillAsync(output, reading.AsMemory(0, Size), source, cancellationToken);
        while (read > 0)
        {
            (reading, writing) = (writing, reading);
            var piece = writing.AsMemory(0, read);
            var write = input.WriteAsync(piece, cancellationToken).AsTask();
            if (pacer is { IsResting: true })
            {
                // One server at a time: what the one takes and what the other fetches for the next piece do not coincide.
                await write;
                since = await pacer.RestAsync(since, cancellationToken);
            }

            var next = FillAsync(output, reading.AsMemory(0, Size), source, cancellationToken);
            counter.Add(piece.Span);
            bytes += read;
            _progress[name] = new CopyProgress(name, counter.Rows, bytes, false);
            // Both to their ends, also when one fails: a read that is abandoned comes up again in another's place.
            await Task.WhenAll(write, next);
            read = await next;
            since = pacer is null ? since : await pacer.RestAsync(since, cancellationToken);
        }
    }

    private int Size => pacer is { IsResting: true } ? SmallPiece : BufferSize;

    // Until the buffer is full, the end has come, or nothing more is here yet and half is enough to go on with.
    private static async Task<int> FillAsync(
        Stream output,
        Memory<byte> buffer,
        string source,
        CancellationToken cancellationToken
    )
    {
        var filled = 0;
        while (filled < buffer.Length)
        {
            var reading = output.ReadAsync(buffer[filled..], cancellationToken);
            var isHere = reading.IsCompletedSuccessfully;
            var read = await ReadAsync(reading, source);
            filled += read;
            if (read == 0 || (!isHere && filled > buffer.Length / 2))
            {
                break;
            }
        }

        return filled;
    }

    private static async ValueTask<int> ReadAsync(ValueTask<int> reading, string source)
    {
        try
        {
            return await reading;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.DiskFull)
        {
            throw new DiskFullException(source, e);
        }
    }
}
