using System.Text.Json;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Fleet;

/// <summary>Something that staff did.</summary>
/// <param name="Seq">Order in which it was recorded.</param>
/// <param name="At">When.</param>
/// <param name="Actor">Who.</param>
/// <param name="Action">What.</param>
/// <param name="Target">To what.</param>
/// <param name="Detail">With what, without secrets, and how it ended; without that while it runs, and when its process died.</param>
/// <param name="TraceId">The request.</param>
public sealed record StaffAction(
    long Seq,
    DateTimeOffset At,
    string Actor,
    string Action,
    string Target,
    JsonElement Detail,
    string? TraceId
);

/// <summary>What staff did, in order. Rows are only added; each gets its outcome once.</summary>
public sealed class StaffAudit(CatalogDatabase catalog, TimeProvider time)
{
    private const string BeginSql =
        "INSERT INTO staff_audit (at, actor, action, target, detail, trace_id) VALUES ($1, $2, $3, $4, $5, $6) RETURNING seq";

    // The outcome waits for no disk: should the catalog's server crash in this moment, the entry itself is there.
    private const string EndSql = """
        UPDATE staff_audit SET detail = detail || $2::jsonb
         WHERE seq = $1 AND NOT jsonb_exists_any(detail, ARRAY(SELECT jsonb_object_keys($2::jsonb)))
        """;

    /// <summary>
    /// Records an action before it is done: when this returns, the entry is durable. One that never gets an outcome was
    /// interrupted, and what became of it is to be looked up. An action that cannot be recorded must not be done.
    /// </summary>
    /// <param name="actor">Who.</param>
    /// <param name="action">What.</param>
    /// <param name="target">To what.</param>
    /// <param name="detail">An object without secrets and without the outcome.</param>
    /// <param name="traceId">The request.</param>
    /// <param name="cancellationToken">Nothing is recorded then.</param>
    /// <returns>For <see cref="EndAsync"/>.</returns>
    public async Task<long> BeginAsync(
        string actor,
        string action,
        string target,
        JsonElement detail,
        string? traceId,
        CancellationToken cancellationToken
    )
    {
        await using var command = catalog.Source.CreateCommand(BeginSql);
        command.Parameters.Add(SqlValue.Of(time.GetUtcNow()));
        command.Parameters.Add(SqlValue.Of(actor));
        command.Parameters.Add(SqlValue.Of(action));
        command.Parameters.Add(SqlValue.Of(target));
        command.Parameters.Add(SqlValue.Json(detail.GetRawText()));
        command.Parameters.Add(SqlValue.Of(traceId));
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Adds how an action ended to its entry; a second outcome changes nothing.</summary>
    /// <param name="entry">From <see cref="BeginAsync"/>.</param>
    /// <param name="outcome">An object whose members the entry does not have yet.</param>
    /// <param name="cancellationToken">The entry then stays without an outcome.</param>
    public async Task EndAsync(long entry, JsonElement outcome, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.Source.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT set_config('synchronous_commit', 'off', true)"));
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand(EndSql) { Parameters = { SqlValue.Of(entry), SqlValue.Json(outcome.GetRawText()) } }
        );
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Actions, newest first, older than <paramref name="before"/>.</summary>
    public async Task<IReadOnlyList<StaffAction>> ListAsync(
        long? before,
        int limit,
        string? actor,
        string? action,
        CancellationToken cancellationToken
    )
    {
        await using var command = catalog.Source.CreateCommand(
            """
            SELECT seq, at, actor, action, target, detail::text, trace_id FROM staff_audit
             WHERE ($1::bigint IS NULL OR seq < $1) AND ($2::text IS NULL OR actor = $2) AND ($3::text IS NULL OR action = $3)
             ORDER BY seq DESC LIMIT $4
            """
        );
        command.Parameters.Add(SqlValue.Of(before));
        command.Parameters.Add(SqlValue.Of(actor));
        command.Parameters.Add(SqlValue.Of(action));
        command.Parameters.Add(SqlValue.Of(limit));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var actions = new List<StaffAction>();
        while (await reader.ReadAsync(cancellationToken))
        {
            actions.Add(
                new StaffAction(
                    reader.GetInt64(0),
                    reader.GetFieldValue<DateTimeOffset>(1),
                    reader.GetString(2),
                    reader.GetString(3),
                    reader.GetString(4),
                    JsonElement.Parse(reader.GetString(5)),
                    reader.IsDBNull(6) ? null : reader.GetString(6)
                )
            );
        }

        return actions;
    }
}
