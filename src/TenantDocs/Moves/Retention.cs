using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>What is kept after a move, and until when.</summary>
/// <param name="Move">The move.</param>
/// <param name="Tenant">Whose.</param>
/// <param name="Slug">By which name.</param>
/// <param name="Kept">The home that was left.</param>
/// <param name="KeptUntil">When it is removed.</param>
/// <param name="Return">The way back; null where there is none.</param>
internal sealed record RetentionInput(
    Guid Move,
    Guid Tenant,
    string Slug,
    PlaceText Kept,
    DateTimeOffset KeptUntil,
    MoveLeg? Return
)
{
    /// <summary>Kept by a step that could not remove its stream from the left home's server.</summary>
    public const string LeftStreamKey = "leftStream";

    /// <summary>The stream that filled the new home, when it is still to be removed from the left home's server.</summary>
    public Guid? LeftStream { get; init; }

    public TenantId TenantId => new(Tenant);

    public IReadOnlyList<OperationObject> Objects =>
        [
            OperationObject.HomeOf(TenantId, Kept.ToPlacement()),
            .. LeftStream is { } left ? StreamObjects.ObjectsOf(left, Kept.ToPlacement()) : [],
            .. Return is { } back ? StreamObjects.ObjectsOf(back.Link, back.Source) : [],
        ];
}

/// <summary>Begins, finds and ends the keeping of a left home.</summary>
internal static class Retention
{
    private const string InsertSql = """
        INSERT INTO operations (id, type, tenant_id, tenant_slug, status, phase, phases, total, unit, input, cancellable,
                                requested_by, exclusive, created_at, run_after)
        VALUES ($1, 'moveRetention', $2, $3, 'pending', 'baking', '{baking,purged}', 2, 'steps', $4, false, $5, false, now(), now())
        """;

    private const string FindSql = """
        SELECT o.id FROM operations AS o
         WHERE o.type = 'moveRetention' AND o.finished_at IS NULL AND o.input ->> 'move' = $1
        """;

    // What is left of a keeping whose server is away is in the way of a move to the same place only.
    private const string EndSql = $$"""
        WITH ended AS (
            UPDATE operations AS o
               SET signals = o.signals || jsonb_build_object('{{RetentionOperation.FinalizeSignal}}', true),
                   run_after = CASE WHEN o.lease_owner IS NULL THEN now() ELSE o.run_after END
             WHERE o.type = 'moveRetention' AND o.tenant_id = $1 AND o.finished_at IS NULL
            RETURNING o.state, o.input)
        SELECT count(*) FROM ended AS e
         WHERE (e.state ->> '{{RetentionOperation.StreamEndedKey}}') IS DISTINCT FROM 'true'
            OR (e.input #>> '{kept,server}' = $2 AND e.input #>> '{kept,database}' = $3
                AND e.input #>> '{kept,schema}' = $4)
        """;

    private const string LinksSql =
        "UPDATE operations SET result = jsonb_set(result, '{links}', $2::jsonb) WHERE id = $1 AND type = 'move' AND result IS NOT NULL";

    /// <summary>What can be done about a move whose source is kept, for its clients.</summary>
    public static Dictionary<string, string> Links(Guid move, bool hasReturn)
    {
        var links = new Dictionary<string, string> { ["finalize"] = $"/admin/v1/operations/{move}/finalize" };
        if (hasReturn)
        {
            links["rollback"] = $"/admin/v1/operations/{move}/rollback";
        }

        return links;
    }

    /// <summary>From now on that is what can be done about it.</summary>
    public static CatalogWrites Link(CatalogWrites writes, Guid move, Dictionary<string, string> links) =>
        writes.Add(LinksSql, SqlValue.Of(move), SqlValue.Json(OperationJson.Write(links).GetRawText()));

    /// <summary>Begins with the transaction that ends the move, so that no left home is ever forgotten.</summary>
    public static void Begin(CatalogWrites writes, RetentionInput input, string requestedBy)
    {
        var id = Guid.CreateVersion7();
        writes.Add(
            InsertSql,
            SqlValue.Of(id),
            SqlValue.Of(input.Tenant),
            SqlValue.Of(input.Slug),
            SqlValue.Json(OperationJson.Write(input).GetRawText()),
            SqlValue.Of(requestedBy)
        );
        foreach (var planned in input.Objects)
        {
            OperationJournal.Plan(writes, id, planned);
        }

        Link(writes, input.Move, Links(input.Move, input.Return is not null));
    }

    /// <summary>The unfinished keeping that belongs to a move.</summary>
    public static async Task<Operation?> FindAsync(
        CatalogDatabase database,
        OperationRequests requests,
        Guid move,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.Source.CreateCommand(FindSql);
        command.Parameters.Add(SqlValue.Of(move.ToString()));
        return await command.ExecuteScalarAsync(cancellationToken) is Guid id
            ? await requests.FindAsync(id, cancellationToken)
            : null;
    }

    /// <summary>A new move closes the way back of the one before it. False while that is still being cleared away.</summary>
    public static async Task<bool> EndEarlierAsync(MoveTools tools, MoveLeg leg, CancellationToken cancellationToken)
    {
        await using var command = tools.Database.Source.CreateCommand(EndSql);
        command.Parameters.Add(SqlValue.Of(leg.Tenant));
        command.Parameters.Add(SqlValue.Of(leg.To.Server));
        command.Parameters.Add(SqlValue.Of(leg.To.Database));
        command.Parameters.Add(SqlValue.Of(leg.To.Schema));
        return (long)(await command.ExecuteScalarAsync(cancellationToken))! == 0;
    }
}
