using Microsoft.Extensions.Hosting;

namespace TenantDocs.Catalog;

/// <summary>Looks again and again at servers that were not ready when the host started, so that nobody has to restart it.</summary>
internal sealed class ServerReadiness(PlatformStartup startup, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await startup.Ready.WaitAsync(stoppingToken);
        while (true)
        {
            await Task.Delay(Interval, time, stoppingToken);
            await startup.PrepareWithheldAsync(stoppingToken);
        }
    }
}
