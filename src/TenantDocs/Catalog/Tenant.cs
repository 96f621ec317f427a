using TenantDocs.Database;

namespace TenantDocs.Catalog;

/// <summary>Where a tenant's rows live, in the three models that the platform offers.</summary>
public enum IsolationModel
{
    /// <summary>Tables that all tenants share, guarded by row-level security.</summary>
    Shared,

    /// <summary>A schema of the tenant's own, chosen by <c>search_path</c>.</summary>
    Schema,

    /// <summary>A database of the tenant's own.</summary>
    Database,
}

/// <summary>Where in its life a tenant is. A move is an operation, not a status.</summary>
public enum TenantStatus
{
    /// <summary>Being made; not reachable yet.</summary>
    Provisioning,

    /// <summary>In use.</summary>
    Active,

    /// <summary>Refused by staff; data kept.</summary>
    Suspended,

    /// <summary>Deleted by staff; data kept until <see cref="Tenant.PurgeAt"/>, undelete possible.</summary>
    PendingDeletion,

    /// <summary>Data removed; only the certificate is left.</summary>
    Purged,

    /// <summary>Provisioning gave up; nothing of it is left in any database.</summary>
    Failed,
}

/// <summary>What an active tenant's people may do right now.</summary>
public enum AccessMode
{
    /// <summary>Everything.</summary>
    ReadWrite,

    /// <summary>Reads only.</summary>
    ReadOnly,

    /// <summary>Nothing (maintenance).</summary>
    Offline,
}

/// <summary>The home of a tenant's rows.</summary>
/// <param name="Isolation">The model.</param>
/// <param name="Server">Name of the registered server.</param>
/// <param name="Database">Database on that server.</param>
/// <param name="Schema">The one schema that holds the tenant tables.</param>
/// <param name="Epoch">Grows with every change of home; a session that carries another epoch is refused by the fence.</param>
public sealed record Placement(
    IsolationModel Isolation,
    string Server,
    PgIdentifier Database,
    PgIdentifier Schema,
    long Epoch
);

/// <summary>A tenant as the catalog knows it: an immutable snapshot.</summary>
public sealed record Tenant
{
    /// <summary>Identity.</summary>
    public required TenantId Id { get; init; }

    /// <summary>Name in hosts, paths and headers.</summary>
    public required string Slug { get; init; }

    /// <summary>Name for people.</summary>
    public required string Name { get; init; }

    /// <summary>The named preset of isolation and limits.</summary>
    public required string Tier { get; init; }

    /// <summary>Where in its life the tenant is.</summary>
    public required TenantStatus Status { get; init; }

    /// <summary>What the tenant's people may do.</summary>
    public required AccessMode AccessMode { get; init; }

    /// <summary>Where the rows live.</summary>
    public required Placement Placement { get; init; }

    /// <summary>Region that the tenant's data must stay in; null = any.</summary>
    public string? Region { get; init; }

    /// <summary>Text search configuration, by PostgreSQL's name.</summary>
    public required string Language { get; init; }

    /// <summary>Why it was suspended.</summary>
    public string? SuspendReason { get; init; }

    /// <summary>When a tenant pending deletion is purged.</summary>
    public DateTimeOffset? PurgeAt { get; init; }

    /// <summary>Version of the tenant tables.</summary>
    public int SchemaVersion { get; init; }

    /// <summary>Counter of catalog changes: the ETag of the admin API.</summary>
    public required long Version { get; init; }

    /// <summary>When it was created.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The unfinished operation on this tenant, if any.</summary>
    public Guid? ActiveOperation { get; init; }
}
