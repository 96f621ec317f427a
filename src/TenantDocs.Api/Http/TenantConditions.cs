using TenantDocs.Catalog;

namespace TenantDocs.Api.Http;

/// <summary>What a tenant's condition means for a request: the errors that come before anything of the tenant's is read.</summary>
internal static class TenantConditions
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Later = TimeSpan.FromSeconds(5);

    /// <summary>One text for every reason: which it was would help guessing.</summary>
    public static Error Unauthenticated { get; } =
        new(
            ErrorKind.Forbidden,
            "unauthenticated",
            "Send a valid API key or token as Authorization: Bearer. This one is missing, unknown, expired or revoked."
        );

    /// <summary>The names in a request do not name one tenant that exists: the same for an unknown and a foreign one.</summary>
    public static Error NotFound { get; } =
        new(
            ErrorKind.NotFound,
            "tenant-not-found",
            "The host, path, header and credential do not name one tenant that exists."
        );

    public static Error StaffOnly { get; } =
        new(ErrorKind.Forbidden, "forbidden", "The admin API takes staff credentials only, not a tenant's.");

    public static Error TenantOnly { get; } =
        new(ErrorKind.Forbidden, "forbidden", "The tenant API takes a tenant's credentials only, not staff's.");

    /// <summary>Null when the tenant may be served now.</summary>
    public static Error? Refuse(Tenant tenant, bool writes, bool allowedWhenSuspended) =>
        tenant.Status switch
        {
            TenantStatus.Active => RefuseAccess(tenant, writes, allowedWhenSuspended),
            TenantStatus.Suspended => allowedWhenSuspended ? null : Suspended(tenant),
            TenantStatus.PendingDeletion => PendingDeletion(tenant),
            TenantStatus.Provisioning => new Error(
                ErrorKind.Unavailable,
                "tenant-provisioning",
                "The tenant is being made. Try again in a moment."
            )
            {
                RetryAfter = Soon,
            },
            _ => NotFound,
        };

    /// <summary>Why a unit of work found no place that admits it. Nothing was changed.</summary>
    public static Error AfterDeadline(Tenant tenant) =>
        tenant is { Status: TenantStatus.Active, AccessMode: AccessMode.ReadOnly }
            ? ReadOnly
            : Refuse(tenant, writes: true, allowedWhenSuspended: false) ?? Maintenance(Soon);

    private static Error ReadOnly { get; } =
        new(
            ErrorKind.Unavailable,
            "tenant-read-only",
            "The tenant is read-only for now: reads work, nothing was changed."
        )
        {
            RetryAfter = Later,
        };

    private static Error? RefuseAccess(Tenant tenant, bool writes, bool allowedWhenSuspended) =>
        tenant.AccessMode switch
        {
            AccessMode.ReadOnly when writes => ReadOnly,
            AccessMode.Offline when !allowedWhenSuspended => Maintenance(Later),
            _ => null,
        };

    private static Error Maintenance(TimeSpan pause) =>
        new(
            ErrorKind.Unavailable,
            "tenant-maintenance",
            "The tenant's data is out of reach for a short time. Nothing was changed."
        )
        {
            RetryAfter = pause,
        };

    private static Error Suspended(Tenant tenant) =>
        new(ErrorKind.Forbidden, "tenant-suspended", "The tenant is suspended; its data is kept.")
        {
            Extensions = new Dictionary<string, object?> { ["reason"] = tenant.SuspendReason },
        };

    private static Error PendingDeletion(Tenant tenant) =>
        new(ErrorKind.Forbidden, "tenant-pending-deletion", "The tenant was deleted; its data is kept until purgeAt.")
        {
            Extensions = new Dictionary<string, object?> { ["purgeAt"] = tenant.PurgeAt },
        };
}
