using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace TenantDocs.Fleet;

/// <summary>Registers the Fleet room.</summary>
public static class FleetServiceCollectionExtensions
{
    /// <summary>Servers, numbers, doctor and the staff's audit. Needs the rooms Catalog, Isolation and Provisioning.</summary>
    public static IServiceCollection AddFleet(this IServiceCollection services)
    {
        services.TryAddSingleton<StaffAudit>();
        services.TryAddSingleton<ServerFleet>();
        services.TryAddSingleton<FleetSummary>();
        services.TryAddSingleton<ServerChecks>();
        services.TryAddSingleton<Doctor>();
        return services;
    }
}
