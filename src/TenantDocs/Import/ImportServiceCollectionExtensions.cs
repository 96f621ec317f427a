using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace TenantDocs.Import;

/// <summary>Registers the Import room.</summary>
public static class ImportServiceCollectionExtensions
{
    /// <summary>Imports of folders. Needs the room Documents.</summary>
    public static IServiceCollection AddImport(this IServiceCollection services)
    {
        services.TryAddSingleton<FolderImport>();
        return services;
    }
}
