using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Moves;

/// <summary>
/// A snapshot that lies exactly at a marker: every write of the tenant is either in the snapshot and before the marker in
/// the stream, or in neither. The tenant's exclusive lock is held for the few milliseconds between the two.
/// </summary>
/// <remarks>
/// It rests on this: a writer's shared advisory lock goes only after its commit is visible (ProcArrayEndTransaction
/// before ResourceOwnerRelease). Proof: every test that moves a tenant under a Workload (DirectionTests, CrashTests).
/// </remarks>
internal sealed class Barrier(MoveConnections connections, TimeProvider time)
{
    private const string LockSql = "SELECT pg_advisory_xact_lock(uuid_hash_extended($1, 0))";
    private const int Milliseconds = 150;

    /// <summary>Takes the snapshot and writes the marker.</summary>
    /// <param name="place">The side that is written to.</param>
    /// <param name="tenant">Whose writes stand still.</param>
    /// <param name="marker">The marker to write.</param>
    /// <param name="patience">How long to try: a long transaction of the tenant is not waited for in one piece, which would hold up the tenant's other writers behind it.</param>
    /// <param name="cancellationToken">Ends the attempts.</param>
    /// <exception cref="TimeoutException">A transaction of the tenant did not end within <paramref name="patience"/>.</exception>
    public async Task<BarrierSnapshot> TakeAsync(
        Placement place,
        TenantId tenant,
        Guid marker,
        TimeSpan patience,
        CancellationToken cancellationToken
    )
    {
        await using var holder = await connections.OpenAsync(place, cancellationToken);
        var reader = await connections.OpenAsync(place, cancellationToken);
        try
        {
            var started = time.GetTimestamp();
            var pause = TimeSpan.FromMilliseconds(50);
            while (true)
            {
                await using var transaction = await holder.BeginTransactionAsync(cancellationToken);
                if (await TryLockAsync(holder, tenant, cancellationToken))
                {
                    var snapshot = await ExportAsync(reader, cancellationToken);
                    await using var batch = new NpgsqlBatch(holder);
                    batch.BatchCommands.Add(Marker.Command(marker));
                    batch.BatchCommands.Add(new NpgsqlBatchCommand("COMMIT"));
                    await batch.ExecuteNonQueryAsync(cancellationToken);
                    return new BarrierSnapshot(place, reader, snapshot);
                }

                await transaction.RollbackAsync(cancellationToken);
                if (time.GetElapsedTime(started) > patience)
                {
                    throw new TimeoutException("A transaction of the tenant holds its writes open.");
                }

                await Task.Delay(pause, time, cancellationToken);
                pause = pause < TimeSpan.FromSeconds(1) ? pause * 2 : pause;
            }
        }
        catch
        {
            await reader.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// True when the tenant's exclusive lock was taken, until the end of the transaction. A mover that freezes or is cut off
    /// in it loses the lock after a moment.
    /// </summary>
    private static async Task<bool> TryLockAsync(
        NpgsqlConnection connection,
        TenantId tenant,
        CancellationToken cancellationToken
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand(
                $"""
                SELECT set_config('lock_timeout', '{Milliseconds}', true),
                       set_config('idle_in_transaction_session_timeout', '{MoveFence.MostIdle.TotalMilliseconds:f0}', true)
                """
            )
        );
        batch.BatchCommands.Add(new NpgsqlBatchCommand(LockSql) { Parameters = { SqlValue.Of(tenant.Value) } });
        try
        {
            await batch.ExecuteNonQueryAsync(cancellationToken);
            return true;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            return false;
        }
    }

    /// <summary>Opens a snapshot on a side that nobody writes to now (the stream stands still), or at a barrier.</summary>
    internal static async Task<string> ExportAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT pg_export_snapshot()"));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return reader.GetString(0);
    }
}

/// <summary>An open snapshot; further connections may join it. Ends when disposed.</summary>
internal sealed class BarrierSnapshot(Placement place, NpgsqlConnection connection, string id) : IAsyncDisposable
{
    /// <summary>Of which side.</summary>
    public Placement Place => place;

    /// <summary>A connection inside the snapshot.</summary>
    public NpgsqlConnection Connection => connection;

    /// <summary>Opens one more connection inside the same snapshot.</summary>
    public async Task<NpgsqlConnection> JoinAsync(MoveConnections connections, CancellationToken cancellationToken)
    {
        var joined = await connections.OpenAsync(place, cancellationToken);
        try
        {
            // The id comes from the server itself and holds hexadecimal digits and hyphens only; it takes no parameter.
            await using var batch = new NpgsqlBatch(joined);
            batch.BatchCommands.Add(new NpgsqlBatchCommand("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
            batch.BatchCommands.Add(new NpgsqlBatchCommand($"SET TRANSACTION SNAPSHOT '{id}'"));
            await batch.ExecuteNonQueryAsync(cancellationToken);
            return joined;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidParameterValue)
        {
            // Another attempt takes a new one.
            await joined.DisposeAsync();
            throw new IOException("The snapshot went with the connection that held it.", e);
        }
        catch
        {
            await joined.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
