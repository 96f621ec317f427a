using System.Globalization;
using Npgsql;
using TenantDocs.Isolation;

namespace TenantDocs.Documents;

/// <summary>The one place where what PostgreSQL refused becomes an expected answer.</summary>
internal static class DocumentWriteErrors
{
    public static Error PreconditionRequired { get; } =
        new(
            ErrorKind.PreconditionRequired,
            "precondition-required",
            "Say which version you saw: send its ETag in If-Match. Nothing was changed."
        );

    public static Error KeyInFlight { get; } =
        new(
            ErrorKind.Conflict,
            "idempotency-in-progress",
            "A request with this Idempotency-Key is being worked on. Ask again in a moment."
        )
        {
            RetryAfter = TimeSpan.FromSeconds(1),
        };

    public static Error KeyReused { get; } =
        new(
            ErrorKind.Unprocessable,
            "idempotency-key-reused",
            "This Idempotency-Key was used for another request. Nothing was changed; use a new key."
        );

    public static Error Conflict { get; } =
        new(
            ErrorKind.Conflict,
            "conflict",
            "The document kept changing in the meantime; nothing was changed. Try again."
        );

    /// <summary>The answer for an expected refusal; null for anything else.</summary>
    public static Error? Explain(PostgresException e, DocumentWrite write) =>
        e.SqlState switch
        {
            TenantSqlState.KeyInFlight => KeyInFlight,
            TenantSqlState.DocumentQuota => Quota(write.Limits.Documents, e.MessageText, "documents"),
            TenantSqlState.ByteQuota => Quota(write.Limits.Bytes, e.MessageText, "bytes"),
            TenantSqlState.VersionMismatch => Conflict,
            _ => null,
        };

    private static Error Quota(long? limit, string used, string unit) =>
        new(ErrorKind.QuotaExceeded, "quota-exceeded", $"The plan's limit of {unit} is reached; nothing was changed.")
        {
            Extensions = new Dictionary<string, object?>
            {
                ["limit"] = limit,
                ["used"] = long.Parse(used, CultureInfo.InvariantCulture),
                ["unit"] = unit,
            },
        };
}
