using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Provisioning;

/// <summary>Begins the purge of tenants whose grace has passed, and tries again what could not be fenced.</summary>
internal sealed partial class ProvisioningSchedule(
    CatalogDatabase catalog,
    TenantLifecycle lifecycle,
    TenantFence fence,
    IOptions<ProvisioningOptions> options,
    IOptions<OperationOptions> operations,
    TimeProvider time,
    ILogger<ProvisioningSchedule> logger
) : BackgroundService
{
    private const string Actor = "platform";
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    private const string DueSql = """
        SELECT t.slug FROM tenants AS t
         WHERE t.status = 'pendingDeletion' AND t.purge_at <= $1
           AND NOT EXISTS (SELECT FROM operations AS o WHERE o.tenant_id = t.id AND o.exclusive AND o.finished_at IS NULL)
         ORDER BY t.purge_at LIMIT 20
        """;

    /// <summary>Begins what is due; returns how many purges that were.</summary>
    public async Task<int> PurgeDueAsync(CancellationToken cancellationToken)
    {
        var due = new List<string>();
        await using (var command = catalog.Source.CreateCommand(DueSql))
        {
            command.Parameters.Add(SqlValue.Of(time.GetUtcNow()));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                due.Add(reader.GetString(0));
            }
        }

        // Another node may be faster: that one is refused then, and nothing is purged twice.
        foreach (var slug in due)
        {
            await lifecycle.PurgeAsync(slug, Actor, cancellationToken);
        }

        return due.Count;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!operations.Value.Enabled)
        {
            return;
        }

        var lastPurge = time.GetTimestamp();
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(Interval, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                if (!catalog.IsOpen)
                {
                    continue;
                }

                await fence.CatchUpAsync(options.Value.FenceTimeout * 2, stoppingToken);
                if (time.GetElapsedTime(lastPurge) >= options.Value.PurgeInterval)
                {
                    lastPurge = time.GetTimestamp();
                    await PurgeDueAsync(stoppingToken);
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                ScheduleFailed(logger, e);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    [LoggerMessage(4002, LogLevel.Error, "Looking for tenants to purge failed; it is tried again.")]
    private static partial void ScheduleFailed(ILogger logger, Exception exception);
}
