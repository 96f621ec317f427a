using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using TenantDocs.Api.Http;
using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

/// <summary>The operations on a tenant's documents.</summary>
internal static class DocumentEndpoints
{
    /// <summary>What the operations need besides the engine.</summary>
    public static IServiceCollection AddDocumentEndpoints(this IServiceCollection services)
    {
        services.TryAddSingleton<Func<Tenant, DocumentLimits>>(provider =>
        {
            var tiers = provider.GetRequiredService<IOptions<TiersOptions>>().Value;
            return tenant =>
                tiers.LimitsOf(tenant.Tier) is { } limits
                    ? new DocumentLimits(limits.Documents, limits.Bytes, limits.BodyBytes)
                    : DocumentLimits.None;
        });
        services.TryAddSingleton<DocumentWrites>();
        return services;
    }

    /// <summary>Maps them under the tenant API's <c>/v1</c>.</summary>
    public static IEndpointRouteBuilder MapDocuments(this IEndpointRouteBuilder v1)
    {
        var documents = v1.MapGroup("").WithTags("Documents");
        documents
            .MapPost("/documents", CreateDocument.PostAsync)
            .Named("createDocument", "Create a document")
            .Require(Permission.DocumentsWrite)
            .Takes<DocumentBody>()
            .Answers<DocumentAnswer>(StatusCodes.Status201Created, "Location", "ETag");
        documents
            .MapGet("/documents", ListDocuments.GetAsync)
            .Named("listDocuments", "List documents")
            .Require(Permission.DocumentsRead)
            .Query([.. ListDocuments.Filters, Trashed])
            .Answers<Page<DocumentAnswer>>();
        documents
            .MapGet("/documents/{id}", GetDocument.GetAsync)
            .Named("getDocument", "Read a document, now or as it was")
            .Require(Permission.DocumentsRead)
            .Query(QueryParameter.Time("asOf", "As it was at this time."), Trashed)
            .AnswersTagged<DocumentAnswer>();
        documents
            .MapPut("/documents/{id}", ReplaceDocument.PutAsync)
            .Named("putDocument", "Create with a chosen id, or replace")
            .Require(Permission.DocumentsWrite)
            .Takes<DocumentBody>()
            .Reads(
                RequestHeader.IfMatch with
                {
                    IsRequired = false,
                },
                new RequestHeader("If-None-Match", "`*`: create it, with this id. In place of If-Match.")
            )
            .Answers<DocumentAnswer>(StatusCodes.Status200OK, "ETag")
            .Answers<DocumentAnswer>(StatusCodes.Status201Created, "Location", "ETag");
        documents
            .MapPatch("/documents/{id}", ChangeDocument.PatchAsync)
            .Named("patchDocument", "Change by JSON merge patch")
            .Require(Permission.DocumentsWrite)
            .Takes<DocumentPatch>(BodyForm.MergePatch)
            .Changes();
        documents
            .MapDelete("/documents/{id}", ChangeDocument.DeleteAsync)
            .Named("deleteDocument", "Move to the trash")
            .Require(Permission.DocumentsDelete)
            .Changes();
        documents
            .MapPost("/documents/{id}/restore", ChangeDocument.RestoreAsync)
            .Named("restoreDocument", "Bring back from the trash")
            .Require(Permission.DocumentsWrite)
            .Reads(RequestHeader.IfMatch with { IsRequired = false })
            .Answers<DocumentAnswer>(StatusCodes.Status200OK, "ETag");
        MapVersions(documents);
        MapTrash(v1.MapGroup("/trash").WithTags("Trash"));
        MapViews(v1.MapGroup("").WithTags("Search and changes"));
        return v1;
    }

    private static QueryParameter Trashed { get; } = QueryParameter.Flag("trashed", "Shows what is in the trash.");

    private static void MapVersions(RouteGroupBuilder documents)
    {
        documents
            .MapGet("/documents/{id}/versions", DocumentVersions.ListAsync)
            .Named("listVersions", "List a document's versions, newest first")
            .Require(Permission.DocumentsRead)
            .Query(QueryParameter.Limit, QueryParameter.Cursor, Trashed)
            .Answers<VersionPage>();
        documents
            .MapGet("/documents/{id}/versions/{n}", DocumentVersions.GetAsync)
            .Named("getVersion", "Read one version of a document")
            .Require(Permission.DocumentsRead)
            .Query(Trashed)
            .AnswersTagged<DocumentAnswer>();
        documents
            .MapPost("/documents/{id}/versions/{n}/restore", ChangeDocument.RestoreVersionAsync)
            .Named("restoreVersion", "Make an earlier version the newest one")
            .Require(Permission.DocumentsWrite)
            .Changes();
        documents
            .MapGet("/documents/{id}/diff", DocumentDiff.GetAsync)
            .Named("diffVersions", "Compare two versions of a document")
            .Require(Permission.DocumentsRead)
            .Query(
                QueryParameter.Number("from", "The version compared from; the one before `to` by default.", 1, Most),
                QueryParameter.Number("to", "The version compared to; the newest by default.", 1, Most),
                QueryParameter.OneOf("format", "`unified` answers with what `patch` reads.", "json", "unified"),
                Trashed
            )
            .Answers<DiffAnswer>();
    }

    private static void MapTrash(RouteGroupBuilder trash)
    {
        trash
            .MapGet("", ListDocuments.GetTrashAsync)
            .Named("listTrash", "List the trash")
            .Require(Permission.DocumentsRead)
            .Query(ListDocuments.Filters)
            .Answers<Page<DocumentAnswer>>();
        trash
            .MapDelete("/{id}", ChangeDocument.PurgeAsync)
            .Named("purgeDocument", "Remove from the trash for good")
            .Require(Permission.DocumentsDelete)
            .Reads(RequestHeader.IfMatch)
            .AnswersNothing();
    }

    private static void MapViews(RouteGroupBuilder views)
    {
        views
            .MapGet("/search", SearchDocuments.GetAsync)
            .Named("searchDocuments", "Search in titles and bodies")
            .Require(Permission.DocumentsRead)
            .Query(
                new QueryParameter("q", "Words; \"a phrase\", or, and -without as in web searches.")
                {
                    IsRequired = true,
                },
                QueryParameter.Limit,
                QueryParameter.Cursor,
                new QueryParameter("tag", "Only those with this tag."),
                QueryParameter.Id("collectionId", "Only those of this collection.")
            )
            .Answers<HitPage>();
        views
            .MapGet("/changes", DocumentFeeds.GetAsync)
            .Named("listChanges", "Read the change feed")
            .Require(Permission.DocumentsRead)
            .Query(
                QueryParameter.Number("after", "The last `seq` that you have; 0 by default.", 0, Most),
                QueryParameter.Limit
            )
            .Answers<FeedPage>();
        views
            .MapGet("/tags", DocumentFeeds.GetTagsAsync)
            .Named("listTags", "List tags with their counts")
            .Require(Permission.DocumentsRead)
            .Query(QueryParameter.Limit, QueryParameter.Cursor)
            .Answers<TagPage>();
        views
            .MapGet("/usage", DocumentFeeds.GetUsageAsync)
            .Named("getUsage", "Read what is used of the plan")
            .Require(Permission.DocumentsRead)
            .AllowWhenSuspended()
            .Answers<UsageAnswer>();
    }

    private const long Most = long.MaxValue;

    private static RouteHandlerBuilder Changes(this RouteHandlerBuilder endpoint) =>
        endpoint.Reads(RequestHeader.IfMatch).Answers<DocumentAnswer>(StatusCodes.Status200OK, "ETag");
}
