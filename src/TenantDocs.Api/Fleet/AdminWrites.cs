using System.Diagnostics;
using TenantDocs.Api.Http;
using TenantDocs.Fleet;

namespace TenantDocs.Api.Fleet;

/// <summary>
/// Around every unsafe call of the admin API: what is asked is recorded for the audit before it is done (what cannot be
/// recorded is not done), and an Idempotency-Key makes a repeated call get the first answer again.
/// </summary>
internal sealed partial class AdminWrites(StaffAudit audit, AdminAnswers answers, ILogger<AdminWrites> logger)
    : IEndpointFilter
{
    private const string KeyHeader = "Idempotency-Key";
    private const int LongestKey = 255;
    private const int LargestBody = 256 * 1024;

    /// <summary>Ends when the client is gone: only for waiting, never for what was begun.</summary>
    public static CancellationToken ClientGone(HttpContext context) =>
        context.Features.Get<Client>()?.Gone ?? context.RequestAborted;

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        if (HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method))
        {
            return await next(context);
        }

        if (await BufferAsync(http) is not { } body)
        {
            return Problems.Of(
                new Error(ErrorKind.TooLarge, "payload-too-large", "The body is too large. Nothing was changed.")
            );
        }

        // From here on a client that leaves does not stop what it asked for: it is done, recorded and answered once, and
        // the answer waits under the Idempotency-Key for the client that comes back.
        http.Features.Set(new Client(http.RequestAborted));
        http.RequestAborted = CancellationToken.None;
        var keys = http.Request.Headers[KeyHeader];
        if (keys.Count == 0)
        {
            return await ActAsync(context, next, body);
        }

        if (keys is not [{ Length: > 0 and <= LongestKey } key] || !key.All(c => c is >= ' ' and <= '~'))
        {
            return Problems.Of(Error.Invalid(KeyHeader, $"One key of 1 to {LongestKey} printable characters."));
        }

        var actor = StaffRequest.Of(http).Caller.Actor;
        if (await answers.ClaimAsync(actor, key, http.Request, body, http.RequestAborted) is { } first)
        {
            return first;
        }

        try
        {
            return new AnswerOnce(await ActAsync(context, next, body), answers, actor, key);
        }
        catch
        {
            await answers.ForgetAsync(actor, key, CancellationToken.None);
            throw;
        }
    }

    private async Task<object?> ActAsync(
        EndpointFilterInvocationContext context,
        EndpointFilterDelegate next,
        byte[] body
    )
    {
        var http = context.HttpContext;
        var entry = await RecordAsync(http, body);
        object? result = null;
        try
        {
            result = await RefuseBodyAsync(http, body) ?? await next(context);
            return result;
        }
        finally
        {
            // Also when the handler failed: what was done, was done.
            var status = (result as IStatusCodeHttpResult)?.StatusCode ?? StatusCodes.Status500InternalServerError;
            await EndAsync(entry, status);
        }
    }

    // An operation without fields: one that is sent was meant for something else.
    private static async Task<IResult?> RefuseBodyAsync(HttpContext http, byte[] body)
    {
        if (body.Length == 0 || http.GetEndpoint()?.Metadata.GetMetadata<TakesBody>() is not null)
        {
            return null;
        }

        var read = await JsonBody.ReadAsync(http.Request, BodyForm.JsonOrEmpty, CancellationToken.None);
        http.Request.Body.Position = 0;
        if (read.Error is { } error)
        {
            return Problems.Of(error);
        }

        using var fields = read.Value;
        return fields.Finish() is { } faults ? Problems.Of(faults) : null;
    }

    private Task<long> RecordAsync(HttpContext http, byte[] body)
    {
        var endpoint = http.GetEndpoint()?.Metadata;
        return audit.BeginAsync(
            StaffRequest.Of(http).Caller.Actor,
            endpoint?.GetMetadata<IEndpointNameMetadata>()?.EndpointName ?? "unknown",
            http.Request.Path.Value!["/admin/v1".Length..],
            AuditDetail.OfRequest(body, endpoint?.GetMetadata<TakesBody>()?.Shown),
            RequestIds.TraceIdOf(http),
            CancellationToken.None
        );
    }

    private async Task EndAsync(long entry, int status)
    {
        try
        {
            await audit.EndAsync(entry, AuditDetail.OfOutcome(status), CancellationToken.None);
        }
        catch (Exception e)
        {
            // What was done is done: the client gets its answer, and the log has the outcome.
            NotRecorded(logger, e, entry, status);
        }
    }

    [LoggerMessage(9004, LogLevel.Error, "Entry {Entry} of the audit misses its outcome: {Status}.")]
    private static partial void NotRecorded(ILogger logger, Exception exception, long entry, int status);

    private static async Task<byte[]?> BufferAsync(HttpContext http)
    {
        if (http.Request.ContentLength > LargestBody)
        {
            return null;
        }

        var buffer = new MemoryStream();
        var chunk = new byte[8192];
        int read;
        while ((read = await http.Request.Body.ReadAsync(chunk, http.RequestAborted)) > 0)
        {
            buffer.Write(chunk, 0, read);
            if (buffer.Length > LargestBody)
            {
                return null;
            }
        }

        buffer.Position = 0;
        http.Request.Body = buffer;
        return buffer.ToArray();
    }

    private sealed record Client(CancellationToken Gone);

    /// <summary>Gives the answer and keeps it when it is a whole success; forgets the key when it is not.</summary>
    private sealed class AnswerOnce(object? result, AdminAnswers answers, string actor, string key) : IResult
    {
        public async Task ExecuteAsync(HttpContext httpContext)
        {
            var response = httpContext.Response;
            var client = response.Body;
            using var kept = new MemoryStream();
            response.Body = kept;
            var isWhole = false;
            try
            {
                await ((result as IResult) ?? throw new UnreachableException()).ExecuteAsync(httpContext);
                isWhole = true;
            }
            finally
            {
                response.Body = client;
                if (isWhole && response.StatusCode is >= 200 and < 300)
                {
                    await answers.KeepAsync(actor, key, response, kept.ToArray(), CancellationToken.None);
                }
                else
                {
                    await answers.ForgetAsync(actor, key, CancellationToken.None);
                }
            }

            await client.WriteAsync(kept.GetBuffer().AsMemory(0, (int)kept.Length), httpContext.RequestAborted);
        }
    }
}
