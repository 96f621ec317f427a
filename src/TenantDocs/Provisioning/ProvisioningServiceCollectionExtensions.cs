using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Provisioning;

/// <summary>Registers the Provisioning room.</summary>
public static class ProvisioningServiceCollectionExtensions
{
    /// <summary>Making tenants, changing their condition, removing them. Needs the rooms Catalog, Isolation, Operations.</summary>
    public static IServiceCollection AddProvisioning(this IServiceCollection services)
    {
        services
            .AddOptions<ProvisioningOptions>()
            .BindConfiguration("Provisioning")
            .ValidateDataAnnotations()
            .ValidateOnStart();
        services.TryAddSingleton<OperatorConnections>();
        services.TryAddSingleton<TenantHomes>();
        services.TryAddSingleton<TenantFence>();
        services.TryAddSingleton<TenantPlacing>();
        services.TryAddSingleton<TenantProvisioning>();
        services.TryAddSingleton<TenantLifecycle>();
        services.TryAddSingleton<ProvisioningSchedule>();
        services.AddHostedService(provider => provider.GetRequiredService<ProvisioningSchedule>());
        services.AddOperationType<ProvisionOperation>();
        services.AddOperationType<PurgeOperation>();
        services.AddOperationType<CleanupOperation>();
        services.AddOperationType<TierChangeOperation>();
        return services;
    }
}
