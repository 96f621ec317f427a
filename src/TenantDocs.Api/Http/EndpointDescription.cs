using System.Collections.Frozen;

namespace TenantDocs.Api.Http;

/// <summary>
/// What an endpoint takes and gives, said beside it. Not only for the reader: admission refuses query parameters that are
/// not named here, and the audit keeps no field of a body that is not.
/// </summary>
internal static class EndpointDescription
{
    /// <summary>Name and summary.</summary>
    public static RouteHandlerBuilder Named(this RouteHandlerBuilder endpoint, string name, string summary) =>
        endpoint.WithName(name).WithSummary(summary);

    /// <summary>The query parameters it has; without this, none.</summary>
    public static RouteHandlerBuilder Query(this RouteHandlerBuilder endpoint, params QueryParameter[] parameters) =>
        endpoint.WithMetadata(new QueryParameters(parameters));

    /// <summary>The body it reads, by a record that names the fields; without this, none.</summary>
    public static RouteHandlerBuilder Takes<TBody>(this RouteHandlerBuilder endpoint, BodyForm form = BodyForm.Json) =>
        endpoint.WithMetadata(new TakesBody(typeof(TBody), form));

    /// <summary>The headers it reads, besides those that all have.</summary>
    public static RouteHandlerBuilder Reads(this RouteHandlerBuilder endpoint, params RequestHeader[] headers) =>
        endpoint.WithMetadata(new RequestHeaders(headers));

    /// <summary>A success with a body, by a record of the same shape, and the headers that come with it.</summary>
    public static RouteHandlerBuilder Answers<TAnswer>(
        this RouteHandlerBuilder endpoint,
        int status = StatusCodes.Status200OK,
        params string[] headers
    ) => endpoint.Produces<TAnswer>(status).WithMetadata(new AnswerHeaders(status, headers));

    /// <summary>A success without a body.</summary>
    public static RouteHandlerBuilder AnswersNothing(
        this RouteHandlerBuilder endpoint,
        int status = StatusCodes.Status204NoContent
    ) => endpoint.Produces(status);

    /// <summary>A read of something that has an ETag: 304 for a client that has it.</summary>
    public static RouteHandlerBuilder AnswersTagged<TAnswer>(this RouteHandlerBuilder endpoint) =>
        endpoint
            .Answers<TAnswer>(StatusCodes.Status200OK, "ETag")
            .AnswersNothing(StatusCodes.Status304NotModified)
            .Reads(RequestHeader.IfNoneMatch);
}

/// <summary>A request header of an operation.</summary>
internal sealed record RequestHeader(string Name, string Text)
{
    /// <summary>Without it the operation is refused.</summary>
    public bool IsRequired { get; init; }

    public static RequestHeader IfMatch { get; } =
        new(
            "If-Match",
            "The ETag of your last read: the change is refused (412) when it is stale, and without it (428)."
        )
        {
            IsRequired = true,
        };

    public static RequestHeader IfNoneMatch { get; } =
        new("If-None-Match", "The ETag of your last read: 304 when nothing has changed since.");

    public static RequestHeader IdempotencyKey { get; } =
        new(
            "Idempotency-Key",
            "Up to 255 characters: a repeated request with it gets the first answer again, for 24 h."
        );

    public static RequestHeader Prefer { get; } =
        new("Prefer", "`wait=N`: answer with the final state when it is reached within N seconds.");
}

/// <summary>The request headers of an endpoint.</summary>
internal sealed record RequestHeaders(IReadOnlyList<RequestHeader> All);

/// <summary>The headers of an answer.</summary>
internal sealed record AnswerHeaders(int Status, IReadOnlyList<string> Names);

/// <summary>The body that an endpoint reads.</summary>
internal sealed record TakesBody(Type Type, BodyForm Form)
{
    /// <summary>The fields that may be shown and kept: all but secrets.</summary>
    public FrozenSet<string> Shown { get; } =
        Json
            .Options.GetTypeInfo(Type)
            .Properties.Where(p => p.AttributeProvider?.IsDefined(typeof(SecretAttribute), inherit: true) is not true)
            .Select(p => p.Name)
            .ToFrozenSet(StringComparer.Ordinal);
}

/// <summary>A field that holds a secret: never kept, never shown.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SecretAttribute : Attribute;
