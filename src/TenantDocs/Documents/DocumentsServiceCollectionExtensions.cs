using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using TenantDocs.Operations;

namespace TenantDocs.Documents;

/// <summary>Registers the Documents room.</summary>
public static class DocumentsServiceCollectionExtensions
{
    /// <summary>The repository and the sweeper of the trash. Needs the rooms Isolation, Catalog and Operations.</summary>
    public static IServiceCollection AddDocuments(this IServiceCollection services)
    {
        services
            .AddOptions<DocumentsOptions>()
            .BindConfiguration("Documents")
            .ValidateDataAnnotations()
            .ValidateOnStart();
        services.TryAddSingleton<IDocumentRepository, DocumentRepository>();
        services.TryAddSingleton<TrashSweeper>();
        services.AddHostedService(provider => provider.GetRequiredService<TrashSweeper>());
        services.AddOperationType<ReindexOperation>();
        return services;
    }
}
