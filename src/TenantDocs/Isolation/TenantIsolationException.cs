using TenantDocs.Catalog;

namespace TenantDocs.Isolation;

/// <summary>
/// Doubt about which tenant a session serves. Never retried, never detailed to a client: a bug or an attack, to be alerted on.
/// </summary>
public sealed class TenantIsolationException(string message) : Exception(message);

/// <summary>
/// The tenant's home did not admit the unit of work, and did not within the deadline. Nothing was changed.
/// <see cref="Tenant"/> is the catalog's newest word on why.
/// </summary>
public sealed class TenantUnavailableException(Tenant tenant)
    : Exception("The tenant's home did not admit the unit of work within the deadline; nothing was changed.")
{
    /// <summary>The tenant as the catalog knew it at the end of the wait.</summary>
    public Tenant Tenant { get; } = tenant;
}

/// <summary>SQLSTATEs of the platform's own, raised by the functions in <c>Database/Sql</c>.</summary>
public static class TenantSqlState
{
    /// <summary>This place does not admit the tenant at this epoch: find the newer home and run again.</summary>
    public const string NotAdmitted = "TD001";

    /// <summary>An older epoch tried to change a fence.</summary>
    public const string OlderEpoch = "TD002";

    /// <summary>A tenant write under another isolation level than READ COMMITTED.</summary>
    public const string WrongIsolationLevel = "TD003";

    /// <summary>The tenant's counters are missing: its tables are not whole.</summary>
    public const string NoState = "TD004";

    /// <summary>What was to be removed is the home that serves the tenant.</summary>
    public const string ServedHere = "TD025";

    /// <summary>The document is not at the version that the write expected.</summary>
    public const string VersionMismatch = "TD412";

    /// <summary>The write would exceed the tenant's quota of documents.</summary>
    public const string DocumentQuota = "TD402";

    /// <summary>The write would exceed the tenant's quota of bytes.</summary>
    public const string ByteQuota = "TD403";

    /// <summary>Another request with the same idempotency key is in flight.</summary>
    public const string KeyInFlight = "TD409";
}
