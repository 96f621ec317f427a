using System.Text.Json;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Fleet;

/// <summary>Something that staff did.</summary>
/// <param name="Seq">Order in which it was recorded.</param>
/// <param name="At">When.</param>
/// <param name="Actor">Who.</param>
/// <param name="Action">What.</param>
/// <param name="Target">To what.</param>
/// <param name="Detail">With what, without secrets, and how it ended.</param>
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

/// <summary>What staff did, in order. Rows are only added.</summary>
public sealed class StaffAudit(CatalogDatabase catalog, TimeProvider time)
{
    /// <summary>Records an action.</summary>
    public async Task WriteAsync(
        string actor,
        string action,
        string target,
        JsonElement detail,
        string? traceId,
        CancellationToken cancellationToken
    )
    {
        await using var command = catalog.Source.CreateCommand(
            "INSERT INTO staff_audit (at, actor, action, target, detail, trace_id) VALUES ($1, $2, $3, $4, $5, $6)"
        );
        command.Parameters.Add(SqlValue.Of(time.GetUtcNow()));
        command.Parameters.Add(SqlValue.Of(actor));
        command.Parameters.Add(SqlValue.Of(action));
        command.Parameters.Add(SqlValue.Of(target));
        command.Parameters.Add(SqlValue.Json(detail.GetRawText()));
        command.Parameters.Add(SqlValue.Of(traceId));
        await command.ExecuteNonQueryAsync(cancellationToken);
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
