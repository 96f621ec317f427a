using Microsoft.AspNetCore.Http.Features;

namespace TenantDocs.Api.Http;

/// <summary>How long an address and how large the headers of a request may be.</summary>
internal static class RequestSize
{
    public const int MostLineBytes = 16 * 1024;
    public const int MostHeaderBytes = 32 * 1024;
    public const int MostHeaders = 100;

    /// <summary>Null when the request's head is within its limits.</summary>
    public static Error? Judge(HttpContext context)
    {
        if (context.Features.Get<IHttpRequestFeature>()?.RawTarget.Length > MostLineBytes)
        {
            return Failures.OfStatus(StatusCodes.Status414UriTooLong);
        }

        var (count, bytes) = (0, 0);
        foreach (var (name, values) in context.Request.Headers)
        {
            foreach (var value in values)
            {
                count++;
                bytes += name.Length + (value?.Length ?? 0) + 4; // ": " and the line's end
            }
        }

        return count > MostHeaders || bytes > MostHeaderBytes
            ? Failures.OfStatus(StatusCodes.Status431RequestHeaderFieldsTooLarge)
            : null;
    }
}
