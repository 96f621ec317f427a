using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>Registers the Moves room.</summary>
public static class MovesServiceCollectionExtensions
{
    /// <summary>Moving live tenants. Needs the rooms Catalog, Isolation, Operations, Provisioning.</summary>
    public static IServiceCollection AddMoves(this IServiceCollection services)
    {
        services.AddOptions<MoveOptions>().BindConfiguration("Moves").ValidateDataAnnotations().ValidateOnStart();
        services.TryAddSingleton<MoveTools>();
        services.TryAddSingleton(provider => new TenantMoves(
            provider.GetRequiredService<OperationRequests>(),
            provider.GetRequiredService<MoveTools>(),
            provider.GetRequiredService<IOptions<TiersOptions>>(),
            provider.GetRequiredService<ServerConnections>()
        ));
        services.TryAddSingleton<Rebalancing>();
        services.AddOperationType<MoveOperation>();
        services.AddOperationType<MovePlanOperation>();
        services.AddOperationType<RollbackOperation>();
        services.AddOperationType<RetentionOperation>();
        return services;
    }
}
