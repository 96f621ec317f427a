using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.LocalPostgres;

namespace TenantDocs.Catalog;

/// <summary>Registers the Catalog room.</summary>
public static class CatalogServiceCollectionExtensions
{
    /// <summary>The control database, tenants, routes and servers.</summary>
    public static IServiceCollection AddCatalog(this IServiceCollection services)
    {
        services.AddOptions<CatalogOptions>().BindConfiguration("Catalog").ValidateDataAnnotations().ValidateOnStart();
        services
            .AddOptions<TiersOptions>()
            .BindConfiguration("Tiers")
            .PostConfigure(tiers => tiers.AddDefaults())
            .ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<TiersOptions>, TiersValidation>());
        services.TryAddSingleton(provider => new DatabaseNames(
            provider.GetRequiredService<IOptions<CatalogOptions>>().Value.DatabasePrefix
        ));
        services.TryAddSingleton<CatalogDatabase>();
        services.TryAddSingleton<CatalogSettings>();
        services.TryAddSingleton<TenantCatalog>();
        services.TryAddSingleton<CatalogNews>();
        services.TryAddSingleton<TenantRoutes>();
        services.TryAddSingleton<ITenantRoutes>(provider => provider.GetRequiredService<TenantRoutes>());
        services.TryAddSingleton<ApiKeys>();
        services.TryAddSingleton<ApiKeyRing>();
        services.TryAddSingleton<ServerBootstrap>();
        services.TryAddSingleton<TenantMigration>();
        services.TryAddSingleton<IsolationSelfTest>();
        services.TryAddSingleton<ServerRegister>();
        services.TryAddSingleton<PlatformStartup>();
        services
            .AddOptions<LocalPostgresOptions>()
            .BindConfiguration("LocalPostgres")
            .ValidateDataAnnotations()
            .ValidateOnStart();
        services.AddHostedService<PlatformHost>();
        services.AddHostedService<CatalogListener>();
        services.AddHostedService<ServerReadiness>();
        services.AddHostedService<ApiKeyUses>();
        return services;
    }
}
