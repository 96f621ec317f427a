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
            .Require(Permission.DocumentsWrite);
        documents
            .MapGet("/documents", ListDocuments.GetAsync)
            .Named("listDocuments", "List documents")
            .Require(Permission.DocumentsRead);
        documents
            .MapGet("/documents/{id}", GetDocument.GetAsync)
            .Named("getDocument", "Read a document, now or as it was")
            .Require(Permission.DocumentsRead);
        documents
            .MapPut("/documents/{id}", ReplaceDocument.PutAsync)
            .Named("putDocument", "Create with a chosen id, or replace")
            .Require(Permission.DocumentsWrite);
        documents
            .MapPatch("/documents/{id}", ChangeDocument.PatchAsync)
            .Named("patchDocument", "Change by JSON merge patch")
            .Require(Permission.DocumentsWrite);
        documents
            .MapDelete("/documents/{id}", ChangeDocument.DeleteAsync)
            .Named("deleteDocument", "Move to the trash")
            .Require(Permission.DocumentsDelete);
        documents
            .MapPost("/documents/{id}/restore", ChangeDocument.RestoreAsync)
            .Named("restoreDocument", "Bring back from the trash")
            .Require(Permission.DocumentsWrite);
        documents
            .MapGet("/documents/{id}/versions", DocumentVersions.ListAsync)
            .Named("listVersions", "List a document's versions, newest first")
            .Require(Permission.DocumentsRead);
        documents
            .MapGet("/documents/{id}/versions/{n}", DocumentVersions.GetAsync)
            .Named("getVersion", "Read one version of a document")
            .Require(Permission.DocumentsRead);
        documents
            .MapPost("/documents/{id}/versions/{n}/restore", ChangeDocument.RestoreVersionAsync)
            .Named("restoreVersion", "Make an earlier version the newest one")
            .Require(Permission.DocumentsWrite);
        documents
            .MapGet("/documents/{id}/diff", DocumentDiff.GetAsync)
            .Named("diffVersions", "Compare two versions of a document")
            .Require(Permission.DocumentsRead);

        var trash = v1.MapGroup("/trash").WithTags("Trash");
        trash
            .MapGet("", ListDocuments.GetTrashAsync)
            .Named("listTrash", "List the trash")
            .Require(Permission.DocumentsRead);
        trash
            .MapDelete("/{id}", ChangeDocument.PurgeAsync)
            .Named("purgeDocument", "Remove from the trash for good")
            .Require(Permission.DocumentsDelete);

        var views = v1.MapGroup("").WithTags("Search and changes");
        views
            .MapGet("/search", SearchDocuments.GetAsync)
            .Named("searchDocuments", "Search in titles and bodies")
            .Require(Permission.DocumentsRead);
        views
            .MapGet("/changes", DocumentFeeds.GetAsync)
            .Named("listChanges", "Read the change feed")
            .Require(Permission.DocumentsRead);
        views
            .MapGet("/tags", DocumentFeeds.GetTagsAsync)
            .Named("listTags", "List tags with their counts")
            .Require(Permission.DocumentsRead);
        views
            .MapGet("/usage", DocumentFeeds.GetUsageAsync)
            .Named("getUsage", "Read what is used of the plan")
            .AllowWhenSuspended();
        return v1;
    }

    private static RouteHandlerBuilder Named(this RouteHandlerBuilder endpoint, string name, string summary) =>
        endpoint.WithName(name).WithSummary(summary);
}
