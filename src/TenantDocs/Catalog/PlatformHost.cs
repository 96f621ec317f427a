using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TenantDocs.LocalPostgres;

namespace TenantDocs.Catalog;

/// <summary>
/// Opens the platform when the host starts, before anything is served: on <c>ConnectionStrings:Catalog</c> and
/// <c>Servers</c> where they are configured, else on the embedded local PostgreSQL clusters. Registered first, so it
/// starts first and stops last.
/// </summary>
internal sealed class PlatformHost(
    PlatformStartup startup,
    CatalogDatabase catalog,
    IConfiguration configuration,
    IOptions<LocalPostgresOptions> localPostgres,
    ILoggerFactory loggers,
    TimeProvider time
) : IHostedService
{
    private LocalPostgresClusters? _clusters;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (configuration.GetConnectionString("Catalog") is { Length: > 0 } connectionString)
        {
            await startup.OpenAsync(connectionString, PlatformStartup.ReadServers(configuration), cancellationToken);
            return;
        }

        _clusters = await LocalPostgresClusters.StartAsync(localPostgres.Value, loggers, time, cancellationToken);
        await startup.OpenAsync(
            _clusters.Clusters[0].ConnectionString,
            [
                .. _clusters.Clusters.Select(c => new ServerRegistration(
                    c.Name,
                    new ServerOptions { ConnectionString = c.ConnectionString, Region = "local" }
                )),
            ],
            cancellationToken
        );
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_clusters is { } clusters)
        {
            // Its connections first: a server that is shut down under an idle pool logs each of them.
            await catalog.DisposeAsync();
            await clusters.DisposeAsync();
        }
    }
}
