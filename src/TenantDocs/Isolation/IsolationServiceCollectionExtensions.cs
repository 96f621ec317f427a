using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace TenantDocs.Isolation;

/// <summary>Registers the Isolation room.</summary>
public static class IsolationServiceCollectionExtensions
{
    /// <summary>Sessions, data sources and the three models. Needs <see cref="ITenantRoutes"/> from the Catalog room.</summary>
    public static IServiceCollection AddIsolation(this IServiceCollection services)
    {
        services
            .AddOptions<IsolationOptions>()
            .BindConfiguration("Isolation")
            .ValidateDataAnnotations()
            .ValidateOnStart();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ServerConnections>();
        services.TryAddSingleton<DataSourceRegistry>();
        services.TryAddEnumerable([
            ServiceDescriptor.Singleton<IIsolation, SharedIsolation>(),
            ServiceDescriptor.Singleton<IIsolation, SchemaIsolation>(),
            ServiceDescriptor.Singleton<IIsolation, DatabaseIsolation>(),
        ]);
        services.TryAddSingleton<Isolations>();
        services.TryAddSingleton<TenantDoors>();
        services.TryAddSingleton<WritePaces>();
        services.TryAddSingleton<WriteTurns>();
        services.TryAddSingleton<TenantSessions>();
        services.TryAddSingleton<TenantContexts>();
        services.AddPooledDbContextFactory<TenantDbContext>(
            (_, options) =>
                options
                    // The connection comes with the unit of work: a data source in the options would make a new internal
                    // service provider for each database (EF warns at 20).
                    .UseNpgsql()
                    .UseQueryTrackingBehavior(QueryTrackingBehavior.NoTracking)
                    .AddInterceptors(new GateInterceptor())
        );
        return services;
    }
}
