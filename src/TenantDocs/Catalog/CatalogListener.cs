using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using TenantDocs.Isolation;

namespace TenantDocs.Catalog;

/// <summary>
/// Listens to the catalog's notifications on a connection of its own: makes <see cref="TenantRoutes"/> and
/// <see cref="ApiKeyRing"/> forget what changed and reads changed servers again. While it is not connected, routes and keys
/// live for a second, or a little longer where the catalog does not answer (<see cref="CatalogNews"/>).
/// </summary>
internal sealed partial class CatalogListener(
    CatalogDatabase catalog,
    TenantRoutes routes,
    ApiKeyRing keys,
    CatalogNews news,
    ServerRegister servers,
    WritePaces paces,
    TimeProvider time,
    ILogger<CatalogListener> logger
) : BackgroundService
{
    internal const string ApplicationName = "tenantdocs-listener";

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (catalog.IsOpen)
                {
                    await ListenAsync(stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                if (news.IsListening)
                {
                    ConnectionLost(logger, e);
                }
            }

            news.IsListening = false;
            await Task.Delay(Pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ListenAsync(CancellationToken stoppingToken)
    {
        // The keep-alive finds a dead connection within seconds, not at the next notification that never comes.
        var settings = new NpgsqlConnectionStringBuilder(catalog.ConnectionString)
        {
            Pooling = false,
            KeepAlive = 1,
            ApplicationName = ApplicationName,
        };
#pragma warning disable RS0030 // The control database holds no tenant data; this room opens it.
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
#pragma warning restore RS0030
        var serversChanged = false;
        connection.Notification += (_, notification) =>
        {
            if (notification.Channel == "tenantdocs_servers")
            {
                serversChanged = true;
                return;
            }

            if (notification.Channel == "tenantdocs_paces")
            {
                paces.Hear(notification.Payload);
                return;
            }

            if (!Guid.TryParse(notification.Payload, out var id) || id == Guid.Empty)
            {
                return;
            }

            if (notification.Channel == "tenantdocs_api_keys")
            {
                keys.Forget(id);
            }
            else
            {
                routes.Forget(new TenantId(id));
            }
        };
        await connection.OpenAsync(stoppingToken);
        await using (
            var command = new NpgsqlCommand(
                "LISTEN tenantdocs_servers; LISTEN tenantdocs_tenants; LISTEN tenantdocs_api_keys; LISTEN tenantdocs_paces",
                connection
            )
        )
        {
            await command.ExecuteNonQueryAsync(stoppingToken);
        }

        await servers.LoadAsync(stoppingToken); // what was said before LISTEN was not heard
        routes.ForgetAll();
        keys.ForgetAll();
        news.IsListening = true;
        while (true)
        {
            await connection.WaitAsync(stoppingToken);
            if (serversChanged)
            {
                serversChanged = false;
                await servers.LoadAsync(stoppingToken);
            }
        }
    }

    [LoggerMessage(
        1001,
        LogLevel.Warning,
        "The catalog's notifications stopped; routes and keys are read again every second, as far as it answers, until they come back."
    )]
    private static partial void ConnectionLost(ILogger logger, Exception exception);
}
