using System.Text.Json;
using Npgsql;
using TenantDocs.Catalog;

namespace TenantDocs.Operations;

/// <summary>Reads rows of <c>operations</c>.</summary>
internal static class OperationRows
{
    public const string Unfinished = "('pending', 'running', 'waiting', 'cancelling')";

    public const string Columns = """
        o.id, o.type, o.tenant_id, o.tenant_slug, o.status, o.phase, o.phases, o.done, o.total, o.unit, o.input::text,
        o.state::text, o.result::text, o.problem::text, o.cancellable, o.requested_by, o.created_at, o.started_at,
        o.finished_at, o.step, o.undoing, o.attempts, o.signals::text, o.lease_token
        """;

    public static Operation Read(NpgsqlDataReader row)
    {
        var state = Json(row, 11) ?? OperationJson.Empty;
        return new Operation
        {
            Id = row.GetGuid(0),
            Type = row.GetString(1),
            Tenant = row.IsDBNull(2) ? null : new TenantId(row.GetGuid(2)),
            TenantSlug = row.IsDBNull(3) ? null : row.GetString(3),
            Status = CatalogText.Parse<OperationStatus>(row.GetString(4)),
            Phase = row.IsDBNull(5) ? null : row.GetString(5),
            Phases = row.GetFieldValue<string[]>(6),
            Progress = new OperationProgress(row.GetInt64(7), row.GetInt64(8), row.GetString(9)),
            Input = Json(row, 10) ?? OperationJson.Empty,
            State = state,
            Details = state.TryGetProperty("details", out var details) ? details : null,
            Result = Json(row, 12),
            Problem = Json(row, 13),
            Cancellable = row.GetBoolean(14),
            RequestedBy = row.GetString(15),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(16),
            StartedAt = row.IsDBNull(17) ? null : row.GetFieldValue<DateTimeOffset>(17),
            FinishedAt = row.IsDBNull(18) ? null : row.GetFieldValue<DateTimeOffset>(18),
            Step = row.GetInt32(19),
            Undoing = row.GetBoolean(20),
            Attempts = row.GetInt32(21),
            Signals = Json(row, 22) ?? OperationJson.Empty,
            LeaseToken = row.GetInt64(23),
        };
    }

    private static JsonElement? Json(NpgsqlDataReader row, int column)
    {
        if (row.IsDBNull(column))
        {
            return null;
        }

        using var document = JsonDocument.Parse(row.GetString(column));
        return document.RootElement.Clone();
    }
}
