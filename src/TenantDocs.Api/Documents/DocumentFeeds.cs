using TenantDocs.Api.Http;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

internal sealed record FeedPage(IReadOnlyList<FeedItem> Items, long Next, bool CaughtUp);

internal sealed record FeedItem(long Seq, string Type, Guid DocumentId, long Version, DateTimeOffset At, string Actor);

internal sealed record TagPage(IReadOnlyList<TagCount> Items, string? Next);

internal sealed record UsageAnswer(long Documents, long Trashed, long Versions, long Bytes, UsageLimits Limits);

/// <summary>Null = unlimited.</summary>
internal sealed record UsageLimits(long? Documents, long? Bytes);

/// <summary><c>GET /changes</c>, <c>/tags</c> and <c>/usage</c>: what there is and what happened, over all documents.</summary>
internal static class DocumentFeeds
{
    public static async Task<IResult> GetAsync(
        TenantRequest request,
        HttpContext context,
        IDocumentRepository documents,
        CancellationToken cancellationToken
    )
    {
        var query = RequestQuery.Of(context.Request);
        var after = query.Number("after", 0, long.MaxValue) ?? 0;
        var limit = query.Limit;
        if (query.Finish() is { } fault)
        {
            return Problems.Of(fault);
        }

        var feed = await documents.ReadFeedAsync(request.Tenant, after, limit, cancellationToken);
        return feed.ToResult(f =>
            Json.Result(new FeedPage([.. f.Items.Select(Show)], f.Next, f.CaughtUp), DocumentsJson.Web.FeedPage)
        );
    }

    public static async Task<IResult> GetTagsAsync(
        TenantRequest request,
        HttpContext context,
        IDocumentRepository documents,
        Cursors cursors,
        CancellationToken cancellationToken
    )
    {
        var query = RequestQuery.Of(context.Request);
        var limit = query.Limit;
        if (query.Finish() is { } fault)
        {
            return Problems.Of(fault);
        }

        var scope = new CursorScope(request.Tenant.Id, "tags", query.Signature);
        string? after = null;
        if (query.Cursor is { } cursor)
        {
            var position = await cursors.ReadAsync(scope, cursor, cancellationToken);
            if (position.Error is { } invalid)
            {
                return Problems.Of(invalid);
            }

            after = position.Value[0];
        }

        var page = await documents.ListTagsAsync(request.Tenant, limit, after, cancellationToken);
        var next = page.Next is { } end ? await cursors.WriteAsync(scope, [end], cancellationToken) : null;
        return Json.Result(new TagPage(page.Items, next), DocumentsJson.Web.TagPage);
    }

    public static async Task<IResult> GetUsageAsync(
        TenantRequest request,
        HttpContext context,
        IDocumentRepository documents,
        DocumentWrites writes,
        CancellationToken cancellationToken
    )
    {
        var usage = await documents.ReadUsageAsync(request.Tenant, cancellationToken);
        var limits = writes.LimitsOf(request.Tenant);
        return Json.Result(
            new UsageAnswer(
                usage.Documents,
                usage.Trashed,
                usage.Versions,
                usage.Bytes,
                new UsageLimits(limits.Documents, limits.Bytes)
            ),
            DocumentsJson.Web.UsageAnswer
        );
    }

    private static FeedItem Show(DocumentFeedItem item) =>
        new(item.Seq, item.Type.ToFeedText(), item.DocumentId, item.Version, item.At, item.Actor);
}
