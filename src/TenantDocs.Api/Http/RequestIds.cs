using System.Buffers;
using System.Diagnostics;

namespace TenantDocs.Api.Http;

/// <summary>The ids by which a request is found again: the client's or ours (X-Request-Id) and the W3C trace id.</summary>
internal static class RequestIds
{
    public const string Header = "X-Request-Id";
    private const int LongestId = 128;

    private static readonly SearchValues<char> Allowed = SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+="
    );

    /// <summary>Puts the ids on the answer.</summary>
    public static void Stamp(HttpContext context)
    {
        var headers = context.Response.Headers;
        var given = context.Request.Headers[Header];
        headers[Header] =
            given is [{ Length: > 0 and <= LongestId } id] && !id.AsSpan().ContainsAnyExcept(Allowed)
                ? id
                : context.TraceIdentifier;
        if (Activity.Current?.Id is { } trace)
        {
            headers.TraceParent = trace;
        }
    }

    /// <summary>The trace id, continued from an incoming <c>traceparent</c>.</summary>
    public static string TraceIdOf(HttpContext context) =>
        Activity.Current is { IdFormat: ActivityIdFormat.W3C } activity ? activity.TraceId.ToHexString()
        // Without logging and tracing the host makes no activity; the client's trace id still comes back.
        : ActivityContext.TryParse(context.Request.Headers.TraceParent, null, out var parent)
            ? parent.TraceId.ToHexString()
        : context.TraceIdentifier;
}
