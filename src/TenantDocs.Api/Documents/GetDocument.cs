using Microsoft.Extensions.Options;
using TenantDocs.Api.Http;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

/// <summary><c>GET /documents/{id}</c>, now or <c>asOf</c> a time.</summary>
internal static class GetDocument
{
    public static async Task<IResult> GetAsync(
        string id,
        TenantRequest request,
        HttpContext context,
        IDocumentRepository documents,
        IOptions<DocumentsOptions> options,
        CancellationToken cancellationToken
    )
    {
        var query = RequestQuery.Of(context.Request);
        var asOf = query.Time("asOf");
        var trashed = query.Flag("trashed") ?? false;
        if (query.Finish() is { } fault)
        {
            return Problems.Of(fault);
        }

        if (!Guid.TryParseExact(id, "D", out var key))
        {
            return Problems.Of(Error.NotFound);
        }

        var document = asOf is { } at
            ? await documents.FindAsOfAsync(request.Tenant, key, at, trashed, cancellationToken)
            : await documents.FindAsync(request.Tenant, key, trashed, cancellationToken);
        return document is null ? Problems.Of(Error.NotFound)
            : Preconditions.IsNotModified(context.Request, document.Version)
                ? Preconditions.NotModified(document.Version)
            : DocumentJson.Result(document, options.Value.TrashRetention);
    }
}
