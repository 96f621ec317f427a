namespace TenantDocs.Api.Demo;

/// <summary>Wires the room into the host.</summary>
internal static class DemoSetup
{
    public static IServiceCollection AddDemo(this IServiceCollection services)
    {
        services.AddOptions<DemoOptions>().BindConfiguration("Demo").ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<DemoKeys>();
        services.AddSingleton<DemoTenants>();
        services.AddHostedService<FirstRun>();
        return services;
    }
}
