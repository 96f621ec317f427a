using System.Collections.Frozen;

namespace TenantDocs.Api.Http;

/// <summary>One kind of problem that a client may meet.</summary>
/// <param name="Code">Stable name, kebab-case: the last segment of <c>type</c>.</param>
/// <param name="Status">HTTP status.</param>
/// <param name="Title">Short and the same each time.</param>
/// <param name="Meaning">What happened.</param>
/// <param name="Remedy">What to do about it.</param>
internal sealed record ProblemKind(string Code, int Status, string Title, string Meaning, string Remedy);

/// <summary>All problems, readable at <c>/problems</c>. A code is a contract with clients: never renamed.</summary>
internal static partial class ProblemCatalogue
{
    private const string FixRequest = "Correct the request and send it again.";
    private const string Wait = "Wait as long as Retry-After says, then send the same request again.";
    private const string AskStaff = "Ask the people who run this platform.";

    public static IReadOnlyList<ProblemKind> All { get; } =
    [
        new(
            "validation-failed",
            400,
            "The request has faults",
            "One or more fields are wrong; `errors` names them. Nothing was changed.",
            FixRequest
        ),
        new(
            "malformed-request",
            400,
            "The request cannot be read",
            "The body is not JSON, not UTF-8, or the request breaks the rules of HTTP.",
            FixRequest
        ),
        new(
            "unknown-parameter",
            400,
            "Unknown query parameter",
            "The address carries a query parameter that this operation does not have.",
            "Look the parameter up in the API's description; names are case-sensitive."
        ),
        new(
            "invalid-cursor",
            400,
            "Invalid cursor",
            "The cursor was changed, is too old, or belongs to another list, filter, sort or tenant.",
            "Start the list again without a cursor, and use `next` as it is given."
        ),
        new(
            "unauthenticated",
            401,
            "No valid credential",
            "The request carries no credential, or one that is unknown, expired, revoked or not meant for this API.",
            "Send `Authorization: Bearer` with an API key or a token that is valid now."
        ),
        new(
            "quota-exceeded",
            402,
            "The plan's quota is used up",
            "The change would exceed what the tenant's tier allows; `limit`, `used` and `unit` say how much.",
            "Remove something, or move to a larger tier."
        ),
        new(
            "forbidden",
            403,
            "Not allowed",
            "The credential is valid, but its role or scopes do not allow this.",
            "Use a credential with the permission that `detail` names."
        ),
        new(
            "tenant-suspended",
            403,
            "The tenant is suspended",
            "The people who run this platform suspended the tenant. Its data is kept.",
            AskStaff
        ),
        new(
            "tenant-pending-deletion",
            403,
            "The tenant is being deleted",
            "The tenant was deleted; its data is kept until `purgeAt`.",
            "Ask the people who run this platform to undo the deletion before that time."
        ),
        new(
            "not-found",
            404,
            "Not found",
            "There is nothing under this address that the credential may see.",
            "Check the address and the id."
        ),
        new(
            "tenant-not-found",
            404,
            "No such tenant",
            "The host, path, header and credential do not name one tenant that exists.",
            "Check the tenant's name, or leave it out: the credential alone names its tenant."
        ),
        new(
            "method-not-allowed",
            405,
            "Method not allowed",
            "The address exists, but not for this method; `Allow` lists those it has.",
            FixRequest
        ),
        new(
            "not-acceptable",
            406,
            "No acceptable form",
            "The answer does not exist in any form that `Accept` asks for.",
            "Accept `application/json`."
        ),
        new(
            "request-timeout",
            408,
            "The request took too long to arrive",
            "The body came too slowly.",
            "Send the request again."
        ),
        new(
            "conflict",
            409,
            "The present state does not allow it",
            "The thing is in a state in which this cannot be done.",
            "Read it again and decide anew."
        ),
        new(
            "duplicate",
            409,
            "It exists already",
            "Something with this name or id exists already.",
            "Choose another, or change what exists."
        ),
        new(
            "not-deleted",
            409,
            "It is not in the trash",
            "Only what is in the trash can be restored or removed for good.",
            "Nothing needs to be done, or delete it first."
        ),
        new(
            "idempotency-in-progress",
            409,
            "The first request is still running",
            "A request with the same Idempotency-Key is being worked on.",
            Wait
        ),
        new(
            "invalid-state",
            409,
            "Not in this state",
            "The tenant or operation is in a state that does not allow this step.",
            "Look at its `status`."
        ),
        new(
            "no-capacity",
            409,
            "No server has room",
            "No server takes another tenant: all are full or draining.",
            "Register a server, or stop draining one."
        ),
        new(
            "gone",
            410,
            "No longer kept",
            "It existed, and is older than what is kept.",
            "Start again from the present state."
        ),
        new(
            "change-token-expired",
            410,
            "Changes no longer kept",
            "The position in the change feed is older than what is kept.",
            "Read the documents anew, then follow the feed from its present end."
        ),
        new(
            "precondition-failed",
            412,
            "It has changed",
            "The thing is not in the state that If-Match or If-None-Match names; `ETag` is its present state.",
            "Read it again, apply the change to what it is now, and send that ETag."
        ),
        new(
            "payload-too-large",
            413,
            "Too large",
            "The body is larger than this operation takes.",
            "Send less, or in parts."
        ),
        new(
            "uri-too-long",
            414,
            "The address is too long",
            "The request line is longer than the host takes.",
            FixRequest
        ),
        new(
            "unsupported-media-type",
            415,
            "Media type not understood",
            "The operation does not take a body of this Content-Type.",
            "Send `application/json`."
        ),
        new(
            "unsupported-patch",
            415,
            "Patch format not understood",
            "Changes are sent as JSON Merge Patch (RFC 7396).",
            "Send `Content-Type: application/merge-patch+json`."
        ),
        new(
            "expectation-failed",
            417,
            "Expectation failed",
            "The host cannot do what `Expect` asks for.",
            "Leave out `Expect`."
        ),
        new(
            "idempotency-key-reused",
            422,
            "Idempotency-Key used for another request",
            "The key came before with another method, address or body. Nothing was changed.",
            "Make a new key for each new request."
        ),
        new(
            "unprocessable",
            422,
            "Understood, but not possible",
            "The request is well-formed, but what it asks for cannot be done.",
            FixRequest
        ),
        new(
            "precondition-required",
            428,
            "If-Match is missing",
            "A change must say which state of the thing it is based on.",
            "Send the ETag of your last read as `If-Match`."
        ),
        new("rate-limited", 429, "Too many requests", "The tenant has used up its requests for now.", Wait),
        new(
            "headers-too-large",
            431,
            "Headers too large",
            "The request's headers are larger than the host takes.",
            FixRequest
        ),
        new(
            "internal-error",
            500,
            "Something went wrong here",
            "A fault of the platform. It was recorded under `traceId`.",
            "Try again later; if it stays, tell the people who run this platform the `traceId`."
        ),
        new(
            "unavailable",
            503,
            "Not available right now",
            "A part of the platform cannot be reached or is at its limit. Nothing was changed unless said otherwise.",
            Wait
        ),
        new(
            "tenant-provisioning",
            503,
            "The tenant is being made",
            "The tenant was ordered and is not ready yet.",
            Wait
        ),
        new(
            "tenant-read-only",
            503,
            "The tenant is read-only",
            "Reads work, changes are refused for now. Nothing was changed.",
            Wait
        ),
        new(
            "tenant-maintenance",
            503,
            "The tenant is under maintenance",
            "The tenant's data is out of reach for a short time. Nothing was changed.",
            Wait
        ),
        .. OfOperations,
    ];

    public static FrozenDictionary<string, ProblemKind> ByCode { get; } = All.ToFrozenDictionary(k => k.Code);
}
