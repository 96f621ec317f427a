using System.Globalization;
using System.Text.Json;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Operations;

/// <summary>
/// The right to carry out one operation, and the only way to write its row while it runs: every write names the fencing
/// token under which the lease was taken, so a worker that lost it writes nothing. Times are the catalog's own.
/// </summary>
internal sealed class OperationLease(CatalogDatabase catalog, Guid operation, long token, TimeSpan duration)
{
    private const string Hold = "SELECT hold_lease($1, $2, $3)";

    private const string Update = $"""
        UPDATE operations AS o
           SET status = CASE WHEN o.status = 'cancelling' AND NOT $12 THEN o.status ELSE $2 END,
               phase = $3, step = $4, undoing = $5, done = $6, total = $7, unit = $8, state = $9, result = $10,
               problem = $11, finished_at = CASE WHEN $12 THEN now() END, cancellable = $13, attempts = $14,
               run_after = CASE WHEN $15 IS NULL THEN o.run_after
                                WHEN o.signals <> $16::jsonb OR o.status = 'cancelling' THEN now()
                                ELSE now() + make_interval(secs => $15) END,
               lease_owner = CASE WHEN $12 OR $15 IS NOT NULL THEN NULL ELSE o.lease_owner END,
               lease_until = CASE WHEN $12 OR $15 IS NOT NULL THEN NULL ELSE now() + make_interval(secs => $17) END
         WHERE o.id = $1
        RETURNING {OperationRows.Columns}
        """;

    // An operation is shown with its tenant: whoever asks "is it still that version" has to hear of its end. Often the
    // tenant's row was written by this transaction already.
    private const string EndShown = """
        UPDATE tenants AS t SET version = t.version + 1, updated_at = now()
          FROM operations AS o
         WHERE o.id = $1 AND o.exclusive AND t.id = o.tenant_id AND t.xmin <> pg_current_xact_id()::xid
        """;

    private const string Heartbeat = $"""
        UPDATE operations AS o
           SET lease_until = now() + make_interval(secs => $3), done = $4, total = $5, unit = $6
         WHERE o.id = $1 AND o.lease_token = $2 AND o.finished_at IS NULL
        RETURNING {OperationRows.Columns}
        """;

    public TimeSpan Duration => duration;

    /// <summary>Writes the row, and <paramref name="writes"/> with it. Returns what the row is now.</summary>
    /// <param name="next">All that this worker knows of the operation.</param>
    /// <param name="writes">Further catalog changes of the same transaction.</param>
    /// <param name="unlessCancelling">Refuse when a cancellation was accepted meanwhile.</param>
    /// <param name="release">Give the lease back, to be taken again after that time.</param>
    /// <param name="cancellationToken">Stops waiting; the write may have happened.</param>
    /// <exception cref="LeaseLostException">Another worker holds it.</exception>
    /// <exception cref="OperationCancelledException">A cancellation was accepted.</exception>
    public async Task<Operation> WriteAsync(
        Operation next,
        CatalogWrites writes,
        bool unlessCancelling,
        TimeSpan? release,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await OpenAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        return await SendAsync(batch, next, writes, unlessCancelling, release, cancellationToken);
    }

    /// <summary>A connection for <see cref="BeginAsync"/>.</summary>
    public ValueTask<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken) =>
        catalog.Source.OpenConnectionAsync(cancellationToken);

    /// <summary>As <see cref="WriteAsync"/>, in a transaction that stays open, at most that long.</summary>
    public async Task<Operation> BeginAsync(
        NpgsqlConnection connection,
        Operation next,
        CatalogWrites writes,
        TimeSpan atMost,
        CancellationToken cancellationToken
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand("BEGIN"));
        // A process that freezes now must not keep the row from whoever takes the operation over.
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("SELECT set_config('idle_in_transaction_session_timeout', $1, true)")
            {
                Parameters = { SqlValue.Of(((long)atMost.TotalMilliseconds).ToString(CultureInfo.InvariantCulture)) },
            }
        );
        return await SendAsync(batch, next, writes, unlessCancelling: false, release: null, cancellationToken);
    }

    private async Task<Operation> SendAsync(
        NpgsqlBatch batch,
        Operation next,
        CatalogWrites writes,
        bool unlessCancelling,
        TimeSpan? release,
        CancellationToken cancellationToken
    )
    {
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand(Hold)
            {
                Parameters =
                {
                    SqlValue.Of(operation),
                    SqlValue.Of(token),
                    new NpgsqlParameter<bool> { TypedValue = unlessCancelling },
                },
            }
        );
        writes.MoveTo(batch);
        if (next.IsFinished)
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand(EndShown) { Parameters = { SqlValue.Of(operation) } });
        }

        batch.BatchCommands.Add(UpdateCommand(next, release));
        try
        {
            return await ReadLastAsync(batch, cancellationToken) ?? throw new LeaseLostException();
        }
        catch (PostgresException e) when (e.SqlState == OperationSqlState.LeaseLost)
        {
            throw new LeaseLostException();
        }
        catch (PostgresException e) when (e.SqlState == OperationSqlState.Cancelling)
        {
            throw new OperationCancelledException();
        }
    }

    /// <summary>Extends the lease and writes the progress. Returns what the row is now; null when the lease is lost.</summary>
    public async Task<Operation?> HeartbeatAsync(OperationProgress progress, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(Heartbeat);
        command.Parameters.Add(SqlValue.Of(operation));
        command.Parameters.Add(SqlValue.Of(token));
        command.Parameters.Add(new NpgsqlParameter<double> { TypedValue = duration.TotalSeconds });
        command.Parameters.Add(SqlValue.Of(progress.Done));
        command.Parameters.Add(SqlValue.Of(progress.Total));
        command.Parameters.Add(SqlValue.Of(progress.Unit));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? OperationRows.Read(reader) : null;
    }

    private NpgsqlBatchCommand UpdateCommand(Operation next, TimeSpan? release) =>
        new(Update)
        {
            Parameters =
            {
                SqlValue.Of(operation),
                SqlValue.Of(next.Status.ToText()),
                SqlValue.Of(next.Phase),
                SqlValue.Of(next.Step),
                new NpgsqlParameter<bool> { TypedValue = next.Undoing },
                SqlValue.Of(next.Progress.Done),
                SqlValue.Of(next.Progress.Total),
                SqlValue.Of(next.Progress.Unit),
                SqlValue.Json(next.State.GetRawText()),
                SqlValue.Json(Text(next.Result)),
                SqlValue.Json(Text(next.Problem)),
                new NpgsqlParameter<bool> { TypedValue = next.IsFinished },
                new NpgsqlParameter<bool> { TypedValue = next.Cancellable },
                SqlValue.Of(next.Attempts),
                Seconds(release),
                SqlValue.Json(next.Signals.GetRawText()),
                Seconds(duration),
            },
        };

    private static NpgsqlParameter Seconds(TimeSpan? value) =>
        new()
        {
            Value = value is { } span ? span.TotalSeconds : DBNull.Value,
            NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Double,
        };

    private static string? Text(JsonElement? value) => value?.GetRawText();

    private static async Task<Operation?> ReadLastAsync(NpgsqlBatch batch, CancellationToken cancellationToken)
    {
        // The row comes last; what the statements before it select is for the server only.
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        Operation? last = null;
        do
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                last = reader.FieldCount > 20 ? OperationRows.Read(reader) : null;
            }
        } while (await reader.NextResultAsync(cancellationToken));

        return last;
    }
}

/// <summary>A cancellation was accepted while the step finished: it is undone instead of completed.</summary>
internal sealed class OperationCancelledException() : Exception("The operation is being cancelled.");

/// <summary>SQLSTATEs that the catalog's functions raise.</summary>
internal static class OperationSqlState
{
    public const string LeaseLost = "TD010";

    public const string Cancelling = "TD011";
}
