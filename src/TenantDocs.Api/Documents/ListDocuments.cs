using Microsoft.Extensions.Options;
using TenantDocs.Api.Http;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

/// <summary><c>GET /documents</c>, and <c>GET /trash</c> for the same list of what is in the trash.</summary>
internal static class ListDocuments
{
    private static readonly string[] Sorts = ["-updatedAt", "updatedAt", "createdAt", "-createdAt", "title", "-title"];

    /// <summary>What both lists have.</summary>
    public static QueryParameter[] Filters { get; } =
    [
        QueryParameter.Limit,
        QueryParameter.Cursor,
        QueryParameter.Id("collectionId", "Only those of this collection."),
        new("tag", "Only those with this tag."),
        new("status", "Only those in this status."),
        QueryParameter.Time("updatedSince", "Only those changed at this time or later."),
        QueryParameter.OneOf("sort", "The order; -updatedAt by default.", Sorts),
        QueryParameter.OneOf("include", "`body` shows the bodies too.", "body"),
    ];

    public static Task<IResult> GetAsync(
        TenantRequest request,
        HttpContext context,
        IDocumentRepository documents,
        Cursors cursors,
        IOptions<DocumentsOptions> options,
        CancellationToken cancellationToken
    ) => ListAsync(request, context, documents, cursors, options.Value, onlyTrash: false, cancellationToken);

    public static Task<IResult> GetTrashAsync(
        TenantRequest request,
        HttpContext context,
        IDocumentRepository documents,
        Cursors cursors,
        IOptions<DocumentsOptions> options,
        CancellationToken cancellationToken
    ) => ListAsync(request, context, documents, cursors, options.Value, onlyTrash: true, cancellationToken);

    private static async Task<IResult> ListAsync(
        TenantRequest request,
        HttpContext context,
        IDocumentRepository documents,
        Cursors cursors,
        DocumentsOptions options,
        bool onlyTrash,
        CancellationToken cancellationToken
    )
    {
        var parameters = Read(context.Request, onlyTrash);
        if (parameters.Error is { } unknown)
        {
            return Problems.Of(unknown);
        }

        var (query, cursor, signature) = parameters.Value;
        var scope = new CursorScope(request.Tenant.Id, onlyTrash ? "trash" : "documents", signature);
        if (cursor is not null)
        {
            var position = await cursors.ReadAsync(scope, cursor, cancellationToken);
            if (position.Error is { } invalid)
            {
                return Problems.Of(invalid);
            }

            query = query with { After = DocumentCursor.Parse(position.Value, query.Sort) };
        }

        var page = await documents.ListAsync(request.Tenant, query, cancellationToken);
        var next = page.Next is { } end
            ? await cursors.WriteAsync(scope, DocumentCursor.ToKeys(end), cancellationToken)
            : null;
        return DocumentJson.Page(page.Items, next, options.TrashRetention);
    }

    private static Result<(DocumentQuery Query, string? Cursor, string Signature)> Read(
        HttpRequest request,
        bool onlyTrash
    )
    {
        var parameters = RequestQuery.Of(request);
        var query = new DocumentQuery
        {
            Limit = parameters.Limit,
            Sort = SortOf(parameters.OneOf("sort", Sorts)),
            CollectionId = parameters.Id("collectionId"),
            Tag = Filter(parameters, "tag", DocumentRules.MaxTag * 2),
            Status = Filter(parameters, "status", 100),
            UpdatedSince = parameters.Time("updatedSince"),
            Trashed = onlyTrash || (parameters.Flag("trashed") ?? false),
            IncludeBody = parameters.Has("include") && parameters.OneOf("include", "body") is "body",
        };
        return parameters.Finish() is { } fault ? fault : (query, parameters.Cursor, parameters.Signature);
    }

    private static string? Filter(RequestQuery parameters, string name, int max) =>
        parameters.Has(name) ? parameters.RequiredText(name, max) : null;

    private static DocumentSort SortOf(string sort) =>
        sort switch
        {
            "updatedAt" => DocumentSort.UpdatedAt,
            "createdAt" => DocumentSort.CreatedAt,
            "-createdAt" => DocumentSort.CreatedAtDescending,
            "title" => DocumentSort.Title,
            "-title" => DocumentSort.TitleDescending,
            _ => DocumentSort.UpdatedAtDescending,
        };
}
