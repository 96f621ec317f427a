using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;
using TenantDocs.Api.Http;
using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

/// <summary>What all writes have in common: who may, from which state, under which key; and the answer, first or repeated.</summary>
internal sealed class DocumentWrites(
    IDocumentRepository repository,
    IOptions<DocumentsOptions> options,
    Func<Tenant, DocumentLimits> limits
)
{
    private const string KeyHeader = "Idempotency-Key";

    public IDocumentRepository Repository => repository;

    /// <summary>
    /// Largest request body: many clients escape all that is not ASCII, which makes up to three bytes of one (RFC 8259,
    /// section 7); the text itself has its own limit, which is judged later.
    /// </summary>
    public int MaxRequestBytes => MaxRequestBytesOf(options.Value);

    /// <summary>The same of any settings.</summary>
    public static int MaxRequestBytesOf(DocumentsOptions options) => (options.MaxBodyBytes * 3) + (1024 * 1024);

    /// <summary>What the tenant's tier allows.</summary>
    public DocumentLimits LimitsOf(Tenant tenant) => limits(tenant);

    /// <summary>Reads the headers of a write.</summary>
    public Result<DocumentWrite> Read(
        TenantRequest request,
        HttpContext context,
        ReadOnlyMemory<byte> body,
        Func<Document, StoredAnswer> render
    )
    {
        var tags = Preconditions.IfMatch(context.Request);
        if (tags.Error is { } malformed)
        {
            return malformed;
        }

        DocumentIdempotency? idempotency = null;
        if (context.Request.Headers.TryGetValue(KeyHeader, out var keys))
        {
            if (keys is not [{ Length: > 0 and <= DocumentRules.MaxIdempotencyKey } key] || !key.All(IsPrintable))
            {
                return Error.Invalid(
                    KeyHeader,
                    $"One key of 1 to {DocumentRules.MaxIdempotencyKey} printable characters."
                );
            }

            idempotency = new DocumentIdempotency(key, Hash(context.Request, body.Span), render);
        }

        return new DocumentWrite
        {
            Actor = request.Caller.Actor,
            Precondition = tags.Value.IsGiven ? new(tags.Value.IsAny, tags.Value.Versions) : null,
            Idempotency = idempotency,
            Limits = LimitsOf(request.Tenant),
        };
    }

    /// <summary>Renders the answer of a write that shows the document.</summary>
    public Func<Document, StoredAnswer> Shows(int status, Func<Document, string?>? location = null) =>
        document => new StoredAnswer(
            status,
            document.ETag,
            location?.Invoke(document),
            DocumentJson.ToText(document, options.Value.TrashRetention)
        );

    /// <summary>The answer of a write that shows the document.</summary>
    public IResult Answer(
        HttpContext context,
        Result<DocumentOutcome> outcome,
        int status = StatusCodes.Status200OK,
        Func<Document, string?>? location = null
    ) =>
        outcome.ToResult(o =>
            o.Replay is { } replay
                ? new ReplayResult(replay, context.Request.PathBase)
                : DocumentJson.Result(
                    o.Document!,
                    options.Value.TrashRetention,
                    status,
                    location?.Invoke(o.Document!) is { } path ? context.Request.PathBase + path : null
                )
        );

    /// <summary>The answer of a write that leaves nothing to show.</summary>
    public static IResult AnswerNothing(HttpContext context, Result<DocumentOutcome> outcome) =>
        outcome.ToResult(o =>
            o.Replay is { } replay
                ? new ReplayResult(replay, context.Request.PathBase)
                : (IResult)TypedResults.NoContent()
        );

    /// <summary>The path of a document, as it is kept: without the prefix that the request came by.</summary>
    public static string PathOf(Document document) => $"/v1/documents/{document.Id}";

    private static bool IsPrintable(char c) => c is >= ' ' and <= '~';

    private static byte[] Hash(HttpRequest request, ReadOnlySpan<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{request.Method} {request.Path}{request.QueryString}\n"));
        hash.AppendData(body);
        return hash.GetHashAndReset();
    }

    /// <summary>The first answer again; the header tells a client that looks for it.</summary>
    private sealed class ReplayResult(StoredAnswer answer, PathString prefix) : IResult, IStatusCodeHttpResult
    {
        public int? StatusCode => answer.Status;

        public async Task ExecuteAsync(HttpContext httpContext)
        {
            var response = httpContext.Response;
            response.StatusCode = answer.Status;
            response.Headers["Idempotency-Replayed"] = "true";
            if (answer.ETag is not null)
            {
                response.Headers.ETag = answer.ETag;
            }

            if (answer.Location is { } location)
            {
                response.Headers.Location = prefix + location;
            }

            if (answer.Body is { } body)
            {
                response.ContentType = "application/json";
                await response.BodyWriter.WriteAsync(Encoding.UTF8.GetBytes(body), httpContext.RequestAborted);
            }
        }
    }
}
