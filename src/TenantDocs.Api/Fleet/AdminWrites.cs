using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using TenantDocs.Api.Http;
using TenantDocs.Fleet;

namespace TenantDocs.Api.Fleet;

/// <summary>
/// Around every unsafe call of the admin API: what was asked is recorded for the audit before it is answered, and an
/// Idempotency-Key makes a repeated call get the first answer again.
/// </summary>
internal sealed class AdminWrites(StaffAudit audit, AdminAnswers answers) : IEndpointFilter
{
    private const string KeyHeader = "Idempotency-Key";
    private const int LongestKey = 255;
    private const int LargestBody = 256 * 1024;

    // A server's connection string holds a password.
    private static readonly string[] Secrets = ["connectionString"];

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
        object? result = null;
        try
        {
            result = await next(context);
            return result;
        }
        finally
        {
            // Written also when the caller is gone or the handler failed: what was done, was done.
            await audit.WriteAsync(
                StaffRequest.Of(http).Caller.Actor,
                http.GetEndpoint()?.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName ?? "unknown",
                http.Request.Path.Value!["/admin/v1".Length..],
                Detail(body, (result as IStatusCodeHttpResult)?.StatusCode ?? StatusCodes.Status500InternalServerError),
                RequestIds.TraceIdOf(http),
                CancellationToken.None
            );
        }
    }

    private static JsonElement Detail(byte[] body, int status)
    {
        var detail = new JsonObject { ["status"] = status };
        try
        {
            if (body.Length > 0 && JsonNode.Parse(body) is JsonObject members)
            {
                foreach (var secret in Secrets)
                {
                    members.Remove(secret);
                }

                // NUL is text in JSON and none in PostgreSQL.
                detail["request"] = members.ToJsonString().Contains("\\u0000", StringComparison.Ordinal)
                    ? null
                    : members;
            }
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            // Not JSON, or a name twice: the handler refused it, and there is nothing to show.
        }

        return JsonSerializer.SerializeToElement(detail);
    }

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

    /// <summary>Gives the answer and keeps it when it is a success; forgets the key when it is not.</summary>
    private sealed class AnswerOnce(object? result, AdminAnswers answers, string actor, string key) : IResult
    {
        public async Task ExecuteAsync(HttpContext httpContext)
        {
            var response = httpContext.Response;
            var client = response.Body;
            using var kept = new MemoryStream();
            response.Body = kept;
            try
            {
                await ((result as IResult) ?? throw new UnreachableException()).ExecuteAsync(httpContext);
            }
            finally
            {
                response.Body = client;
                if (response.StatusCode is >= 200 and < 300)
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
