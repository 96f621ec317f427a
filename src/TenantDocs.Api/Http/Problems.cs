using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace TenantDocs.Api.Http;

/// <summary>The one place where an <see cref="Error"/> becomes an answer (RFC 9457).</summary>
internal static class Problems
{
    private const string MediaType = "application/problem+json";

    /// <summary>The answer of a handler that has no success to give.</summary>
    public static IResult Of(Error error) => new ProblemResult(error);

    /// <summary>The answer of a handler: the success, or the problem in its place.</summary>
    public static IResult ToResult<T>(this Result<T> result, Func<T, IResult> success) =>
        result.Error is { } error ? Of(error) : success(result.Value);

    /// <summary>The HTTP status of an error.</summary>
    public static int StatusOf(Error error) =>
        ProblemCatalogue.ByCode.TryGetValue(error.Code, out var kind)
            ? kind.Status
            : error.Kind switch
            {
                ErrorKind.Invalid => StatusCodes.Status400BadRequest,
                ErrorKind.QuotaExceeded => StatusCodes.Status402PaymentRequired,
                ErrorKind.Forbidden => StatusCodes.Status403Forbidden,
                ErrorKind.NotFound => StatusCodes.Status404NotFound,
                ErrorKind.Conflict => StatusCodes.Status409Conflict,
                ErrorKind.Gone => StatusCodes.Status410Gone,
                ErrorKind.PreconditionFailed => StatusCodes.Status412PreconditionFailed,
                ErrorKind.TooLarge => StatusCodes.Status413PayloadTooLarge,
                ErrorKind.UnsupportedMediaType => StatusCodes.Status415UnsupportedMediaType,
                ErrorKind.Unprocessable => StatusCodes.Status422UnprocessableEntity,
                ErrorKind.PreconditionRequired => StatusCodes.Status428PreconditionRequired,
                ErrorKind.RateLimited => StatusCodes.Status429TooManyRequests,
                _ => StatusCodes.Status503ServiceUnavailable,
            };

    /// <summary>The problem as JSON, without a trace id: for places that keep it (operations, bulk answers).</summary>
    public static JsonElement ToElement(Error error, string traceId = "")
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        Write(buffer, error, traceId);
        return JsonElement.Parse(buffer.WrittenSpan);
    }

    /// <summary>Answers with a problem. Headers already set (Allow, WWW-Authenticate, …) stay.</summary>
    public static async Task WriteAsync(HttpContext context, Error error)
    {
        var response = context.Response;
        response.StatusCode = StatusOf(error);
        response.ContentType = MediaType;
        response.Headers.CacheControl = "no-store";
        if (error.CurrentETag is { } etag)
        {
            response.Headers.ETag = etag;
        }

        if (error.RetryAfter is { } pause)
        {
            var seconds = Math.Max(1, (int)Math.Ceiling(pause.TotalSeconds));
            response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        var buffer = new ArrayBufferWriter<byte>(512);
        Write(buffer, error, RequestIds.TraceIdOf(context));
        response.ContentLength = buffer.WrittenCount;
        await response.Body.WriteAsync(buffer.WrittenMemory, context.RequestAborted);
    }

    private static void Write(ArrayBufferWriter<byte> buffer, Error error, string traceId)
    {
        using var json = new Utf8JsonWriter(buffer, Json.WriterOptions);
        json.WriteStartObject();
        json.WriteString("type", $"/problems/{error.Code}");
        json.WriteString("title", ProblemCatalogue.ByCode.GetValueOrDefault(error.Code)?.Title ?? error.Code);
        json.WriteNumber("status", StatusOf(error));
        json.WriteString("detail", error.Detail);
        json.WriteString("code", error.Code);
        if (traceId.Length > 0)
        {
            json.WriteString("traceId", traceId);
        }

        if (error.Errors is { } faults)
        {
            json.WriteStartObject("errors");
            foreach (var (field, texts) in faults)
            {
                json.WriteStartArray(field);
                foreach (var text in texts)
                {
                    json.WriteStringValue(text);
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        foreach (var (name, value) in error.Extensions ?? new Dictionary<string, object?>())
        {
            json.WritePropertyName(name);
            JsonSerializer.Serialize(json, value, Json.Options);
        }

        json.WriteEndObject();
    }

    private sealed class ProblemResult(Error error) : IResult, IStatusCodeHttpResult
    {
        public int? StatusCode => StatusOf(error);

        public Task ExecuteAsync(HttpContext httpContext) => WriteAsync(httpContext, error);
    }
}
