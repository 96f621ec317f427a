using System.Globalization;
using Microsoft.Extensions.Options;
using TenantDocs.Api.Http;
using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

internal sealed record VersionPage(IReadOnlyList<VersionItem> Items, string? Next);

internal sealed record VersionItem(
    long Version,
    string Change,
    string Title,
    string Status,
    DateTimeOffset UpdatedAt,
    string UpdatedBy,
    DateTimeOffset? DeletedAt
);

/// <summary><c>GET /documents/{id}/versions</c> and <c>/versions/{n}</c>.</summary>
internal static class DocumentVersions
{
    public static async Task<IResult> ListAsync(
        string id,
        TenantRequest request,
        HttpContext context,
        IDocumentRepository documents,
        Cursors cursors,
        CancellationToken cancellationToken
    )
    {
        var query = RequestQuery.Of(context.Request);
        var limit = query.Limit;
        var trashed = query.Flag("trashed") ?? false;
        if (query.Finish() is { } fault)
        {
            return Problems.Of(fault);
        }

        if (!Guid.TryParseExact(id, "D", out var key))
        {
            return Problems.Of(Error.NotFound);
        }

        var scope = new CursorScope(request.Tenant.Id, $"versions/{key}", query.Signature);
        VersionPosition? before = null;
        if (query.Cursor is { } cursor)
        {
            var position = await cursors.ReadAsync(scope, cursor, cancellationToken);
            if (position.Error is { } invalid)
            {
                return Problems.Of(invalid);
            }

            before = DocumentCursor.ParseVersion(position.Value);
        }

        var page = await documents.ListVersionsAsync(request.Tenant, key, limit, before, trashed, cancellationToken);
        if (page is null)
        {
            return Problems.Of(Error.NotFound);
        }

        var next = page.Next is { } end
            ? await cursors.WriteAsync(scope, DocumentCursor.ToKeys(end), cancellationToken)
            : null;
        return Json.Result(new VersionPage([.. page.Items.Select(Show)], next), DocumentsJson.Web.VersionPage);
    }

    public static async Task<IResult> GetAsync(
        string id,
        string n,
        TenantRequest request,
        HttpContext context,
        IDocumentRepository documents,
        IOptions<DocumentsOptions> options,
        CancellationToken cancellationToken
    )
    {
        var query = RequestQuery.Of(context.Request);
        var trashed = query.Flag("trashed") ?? false;
        if (query.Finish() is { } fault)
        {
            return Problems.Of(fault);
        }

        if (
            !Guid.TryParseExact(id, "D", out var key)
            || !long.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out var version)
        )
        {
            return Problems.Of(Error.NotFound);
        }

        var found = await documents.FindVersionsAsync(
            request.Tenant,
            key,
            version,
            version,
            trashed,
            cancellationToken
        );
        return found is not [var document] ? Problems.Of(Error.NotFound)
            : Preconditions.IsNotModified(context.Request, version) ? Preconditions.NotModified(version)
            : DocumentJson.Result(document, options.Value.TrashRetention);
    }

    private static VersionItem Show(DocumentVersion version) =>
        new(
            version.Version,
            version.Change.ToText(),
            version.Title,
            version.Status,
            version.UpdatedAt,
            version.UpdatedBy,
            version.DeletedAt
        );
}
