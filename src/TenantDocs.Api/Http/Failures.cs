using Npgsql;
using TenantDocs.Isolation;

namespace TenantDocs.Api.Http;

/// <summary>The one place where an exception becomes an error. Nothing of its text reaches the client.</summary>
internal static class Failures
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    public static Error Internal { get; } =
        new(
            ErrorKind.Unavailable,
            "internal-error",
            "Something went wrong on our side; it was recorded. Try again later and tell us the traceId if it stays."
        );

    public static Error Unavailable { get; } =
        new(
            ErrorKind.Unavailable,
            "unavailable",
            "A part of the platform cannot be reached or is at its limit right now. Try again."
        )
        {
            RetryAfter = Soon,
        };

    /// <summary>The error in an exception's place; null when it is a fault of ours, to be recorded.</summary>
    public static Error? Translate(Exception exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            if (TranslateOne(e) is { } error)
            {
                return error;
            }
        }

        return null;
    }

    /// <summary>An error for a status that the framework set without a body.</summary>
    public static Error OfStatus(int status) =>
        status switch
        {
            400 => new Error(ErrorKind.Invalid, "malformed-request", "The request cannot be read."),
            401 => TenantConditions.Unauthenticated,
            403 => new Error(ErrorKind.Forbidden, "forbidden", "The credential does not allow this."),
            404 => Error.NotFound,
            405 => new Error(ErrorKind.Invalid, "method-not-allowed", "See Allow for the methods of this address."),
            406 => new Error(ErrorKind.Invalid, "not-acceptable", "This address answers with application/json."),
            408 => new Error(ErrorKind.Invalid, "request-timeout", "The request came too slowly."),
            413 => new Error(ErrorKind.TooLarge, "payload-too-large", "The body is too large. Nothing was changed."),
            414 => new Error(ErrorKind.Invalid, "uri-too-long", "The address is too long."),
            415 => new Error(ErrorKind.UnsupportedMediaType, "unsupported-media-type", "Send application/json."),
            417 => new Error(ErrorKind.Invalid, "expectation-failed", "Leave out Expect."),
            431 => new Error(ErrorKind.Invalid, "headers-too-large", "The headers are too large."),
            503 => Unavailable,
            < 500 => new Error(ErrorKind.Invalid, "malformed-request", "The request cannot be served."),
            _ => Internal,
        };

    private static Error? TranslateOne(Exception exception) =>
        exception switch
        {
            TenantUnavailableException e => TenantConditions.AfterDeadline(e.Tenant),
            TenantIsolationException => Internal,
            ConnectionBudgetException or ServerWithheldException => Unavailable,
            BadHttpRequestException e => OfStatus(e.StatusCode),
            PostgresException e => OfSqlState(e.SqlState),
            NpgsqlException e => e.IsTransient || e.InnerException is IOException or TimeoutException
                ? Unavailable
                : null,
            _ => null,
        };

    private static Error? OfSqlState(string state) =>
        state switch
        {
            PostgresErrorCodes.CharacterNotInRepertoire or PostgresErrorCodes.UntranslatableCharacter => Error.Invalid(
                "$",
                "A text contains a character that cannot be kept."
            ),
            PostgresErrorCodes.QueryCanceled // the statement timeout: a client that left is OperationCanceledException
            or PostgresErrorCodes.LockNotAvailable
            or PostgresErrorCodes.SerializationFailure
            or PostgresErrorCodes.DeadlockDetected
            or PostgresErrorCodes.ReadOnlySqlTransaction
            or TenantSqlState.NotAdmitted => Unavailable,
            // 08 connection, 53 out of resources (also a full disk), 57P shutting down or starting.
            _ when state.StartsWith("08", StringComparison.Ordinal)
                    || state.StartsWith("53", StringComparison.Ordinal)
                    || state.StartsWith("57P", StringComparison.Ordinal) => Unavailable,
            _ => null,
        };
}
