using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Documents;
using TenantDocs.Fleet;
using TenantDocs.Import;
using TenantDocs.Isolation;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.Provisioning;

namespace TenantDocs;

/// <summary>Registers the engine.</summary>
public static class TenantDocsServiceCollectionExtensions
{
    /// <summary>All rooms of the engine. The host then calls <see cref="PlatformStartup.OpenAsync"/>.</summary>
    public static IServiceCollection AddTenantDocs(this IServiceCollection services) =>
        services
            .AddCatalog()
            .AddIsolation()
            .AddOperations()
            .AddProvisioning()
            .AddMoves()
            .AddFleet()
            .AddDocuments()
            .AddImport();
}
