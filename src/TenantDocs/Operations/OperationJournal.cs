using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Operations;

/// <summary>What an operation can leave behind on a server.</summary>
public enum OperationObjectKind
{
    /// <summary>A database; <see cref="OperationObject.Name"/> is its name.</summary>
    Database,

    /// <summary>A schema.</summary>
    Schema,

    /// <summary>A tenant's rows in tables that it shares; the name is the tenant's id.</summary>
    Rows,

    /// <summary>A replication slot.</summary>
    Slot,

    /// <summary>A publication.</summary>
    Publication,
}

/// <summary>A thing that an operation is about to create.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Server">On which server.</param>
/// <param name="Database">In which database (for a database: itself).</param>
/// <param name="Name">Its name there.</param>
public sealed record OperationObject(OperationObjectKind Kind, string Server, PgIdentifier Database, string Name)
{
    /// <summary>What the home of a tenant consists of.</summary>
    public static OperationObject HomeOf(TenantId tenant, Placement home) =>
        home.Isolation switch
        {
            IsolationModel.Shared => new(OperationObjectKind.Rows, home.Server, home.Database, tenant.ToString()),
            IsolationModel.Schema => new(OperationObjectKind.Schema, home.Server, home.Database, home.Schema.Name),
            _ => new(OperationObjectKind.Database, home.Server, home.Database, home.Database.Name),
        };
}

/// <summary>Statements on <c>operation_objects</c>: written before a thing is created, settled when its fate is known.</summary>
internal static class OperationJournal
{
    // A thing that is planned again (a retry) is open again, whatever became of it before.
    private const string PlanSql = """
        INSERT INTO operation_objects (operation_id, kind, server, database_name, name, planned_at)
        VALUES ($1, $2, $3, $4, $5, now())
        ON CONFLICT (operation_id, kind, server, database_name, name) DO UPDATE SET settled_at = NULL, outcome = NULL
        """;

    // Earlier operations that planned the same thing are settled with it.
    private const string SettleSql = """
        UPDATE operation_objects SET settled_at = now(), outcome = $6
         WHERE kind = $2 AND server = $3 AND database_name = $4 AND name = $5
           AND (operation_id = $1 OR settled_at IS NULL)
        """;

    public static CatalogWrites Plan(CatalogWrites writes, Guid operation, OperationObject planned) =>
        writes.Add(
            PlanSql,
            SqlValue.Of(operation),
            SqlValue.Of(planned.Kind.ToText()),
            SqlValue.Of(planned.Server),
            SqlValue.Of(planned.Database.Name),
            SqlValue.Of(planned.Name)
        );

    public static CatalogWrites Settle(CatalogWrites writes, Guid operation, OperationObject planned, bool kept) =>
        writes.Add(
            SettleSql,
            SqlValue.Of(operation),
            SqlValue.Of(planned.Kind.ToText()),
            SqlValue.Of(planned.Server),
            SqlValue.Of(planned.Database.Name),
            SqlValue.Of(planned.Name),
            SqlValue.Of(kept ? "kept" : "removed")
        );
}
