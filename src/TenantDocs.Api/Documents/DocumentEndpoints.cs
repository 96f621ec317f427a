using Microsoft.Extensions.DependencyInjection.Extensions;
using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

/// <summary>The operations on a tenant's documents.</summary>
internal static class DocumentEndpoints
{
    /// <summary>What the operations need besides the engine.</summary>
    public static IServiceCollection AddDocumentEndpoints(this IServiceCollection services)
    {
        services.TryAddSingleton<Func<Tenant, DocumentLimits>>(_ => DocumentLimits.None);
        services.TryAddSingleton<DocumentWrites>();
        return services;
    }

    /// <summary>Maps them under the tenant API's <c>/v1</c>.</summary>
    public static IEndpointRouteBuilder MapDocuments(this IEndpointRouteBuilder v1)
    {
        var documents = v1.MapGroup("").WithTags("Documents");
        documents.MapPost("/documents", CreateDocument.PostAsync).Named("createDocument", "Create a document");
        documents.MapGet("/documents", ListDocuments.GetAsync).Named("listDocuments", "List documents");
        documents
            .MapGet("/documents/{id}", GetDocument.GetAsync)
            .Named("getDocument", "Read a document, now or as it was");
        documents
            .MapPut("/documents/{id}", ReplaceDocument.PutAsync)
            .Named("putDocument", "Create with a chosen id, or replace");
        documents
            .MapPatch("/documents/{id}", ChangeDocument.PatchAsync)
            .Named("patchDocument", "Change by JSON merge patch");
        documents.MapDelete("/documents/{id}", ChangeDocument.DeleteAsync).Named("deleteDocument", "Move to the trash");
        documents
            .MapPost("/documents/{id}/restore", ChangeDocument.RestoreAsync)
            .Named("restoreDocument", "Bring back from the trash");
        documents
            .MapGet("/documents/{id}/versions", DocumentVersions.ListAsync)
            .Named("listVersions", "List a document's versions, newest first");
        documents
            .MapGet("/documents/{id}/versions/{n}", DocumentVersions.GetAsync)
            .Named("getVersion", "Read one version of a document");
        documents
            .MapPost("/documents/{id}/versions/{n}/restore", ChangeDocument.RestoreVersionAsync)
            .Named("restoreVersion", "Make an earlier version the newest one");
        documents
            .MapGet("/documents/{id}/diff", DocumentDiff.GetAsync)
            .Named("diffVersions", "Compare two versions of a document");

        var trash = v1.MapGroup("/trash").WithTags("Trash");
        trash.MapGet("", ListDocuments.GetTrashAsync).Named("listTrash", "List the trash");
        trash.MapDelete("/{id}", ChangeDocument.PurgeAsync).Named("purgeDocument", "Remove from the trash for good");

        var views = v1.MapGroup("").WithTags("Search and changes");
        views.MapGet("/search", SearchDocuments.GetAsync).Named("searchDocuments", "Search in titles and bodies");
        views.MapGet("/changes", DocumentFeeds.GetAsync).Named("listChanges", "Read the change feed");
        views.MapGet("/tags", DocumentFeeds.GetTagsAsync).Named("listTags", "List tags with their counts");
        views.MapGet("/usage", DocumentFeeds.GetUsageAsync).Named("getUsage", "Read what is used of the plan");
        return v1;
    }

    private static void Named(this RouteHandlerBuilder endpoint, string name, string summary) =>
        endpoint.WithName(name).WithSummary(summary);
}
