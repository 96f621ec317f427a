using TenantDocs.Api.Http;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

internal sealed record HitPage(IReadOnlyList<DocumentHit> Items, string? Next);

/// <summary><c>GET /search</c>.</summary>
internal static class SearchDocuments
{
    public static async Task<IResult> GetAsync(
        TenantRequest request,
        HttpContext context,
        IDocumentRepository documents,
        Cursors cursors,
        CancellationToken cancellationToken
    )
    {
        var query = RequestQuery.Of(context.Request);
        var text = query.RequiredText("q", DocumentRules.MaxQuery);
        if (text.Length > 0 && string.IsNullOrWhiteSpace(text))
        {
            query.Fault("q", "Say what to search for.");
        }

        var search = new DocumentSearch(
            text,
            query.Limit,
            null,
            query.Has("tag") ? query.RequiredText("tag", DocumentRules.MaxTag * 2) : null,
            query.Id("collectionId")
        );
        if (query.Finish() is { } fault)
        {
            return Problems.Of(fault);
        }

        var scope = new CursorScope(request.Tenant.Id, "search", query.Signature);
        if (query.Cursor is { } cursor)
        {
            var position = await cursors.ReadAsync(scope, cursor, cancellationToken);
            if (position.Error is { } invalid)
            {
                return Problems.Of(invalid);
            }

            search = search with { After = DocumentCursor.ParseSearch(position.Value) };
        }

        var page = await documents.SearchAsync(request.Tenant, search, cancellationToken);
        var next = page.Next is { } end
            ? await cursors.WriteAsync(scope, DocumentCursor.ToKeys(end), cancellationToken)
            : null;
        return Json.Result(new HitPage(page.Items, next), DocumentsJson.Web.HitPage);
    }
}
