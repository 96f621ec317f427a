using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace TenantDocs.Operations;

/// <summary>Registers the Operations room.</summary>
public static class OperationsServiceCollectionExtensions
{
    /// <summary>Queue, worker and sweeper. Kinds of operations are added with <see cref="AddOperationType{T}"/>.</summary>
    public static IServiceCollection AddOperations(this IServiceCollection services)
    {
        services
            .AddOptions<OperationOptions>()
            .BindConfiguration("Operations")
            .ValidateDataAnnotations()
            .ValidateOnStart();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<FailPoints>();
        services.TryAddSingleton<OperationTypes>();
        services.TryAddSingleton<OperationNotices>();
        services.TryAddSingleton<OperationWorker>();
        services.TryAddSingleton<OperationRequests>();
        services.TryAddSingleton<OperationHistory>();
        services.TryAddSingleton<OperationSweeper>();
        services.AddHostedService(provider => provider.GetRequiredService<OperationNotices>());
        services.AddHostedService(provider => provider.GetRequiredService<OperationWorker>());
        services.AddHostedService(provider => provider.GetRequiredService<OperationSweeper>());
        return services;
    }

    /// <summary>Registers a kind of operation.</summary>
    public static IServiceCollection AddOperationType<T>(this IServiceCollection services)
        where T : OperationType
    {
        services.TryAddEnumerable(ServiceDescriptor.Singleton<OperationType, T>());
        return services;
    }
}
