using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;

namespace TenantDocs.Documents;

/// <summary>
/// Removes for good what stayed in the trash longer than <see cref="DocumentsOptions.TrashRetention"/>, tenant by tenant,
/// on one node at a time.
/// </summary>
internal sealed partial class TrashSweeper(
    IDocumentRepository documents,
    TenantCatalog tenants,
    CatalogDatabase catalog,
    IOptions<DocumentsOptions> options,
    TimeProvider time,
    ILogger<TrashSweeper> logger
) : BackgroundService
{
    private const int BatchSize = 100;

    // Any fixed number; no other lock of the catalog's is taken by number.
    private const long LockKey = 30_000_001;

    /// <summary>One sweep of all tenants. Returns how many documents were removed; null when another node is at it.</summary>
    public async Task<int?> SweepAllAsync(CancellationToken cancellationToken)
    {
        await using var connection = await catalog.Source.OpenConnectionAsync(cancellationToken);
        if (!await TryLockAsync(connection, cancellationToken))
        {
            return null;
        }

        try
        {
            return await SweepTenantsAsync(cancellationToken);
        }
        finally
        {
            // The connection goes back to a pool: the lock must not go with it.
            await using var unlock = new NpgsqlCommand("SELECT pg_advisory_unlock($1)", connection);
            unlock.Parameters.Add(new NpgsqlParameter<long> { TypedValue = LockKey });
            await unlock.ExecuteNonQueryAsync(CancellationToken.None);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.SweepInterval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await SweepAllAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // The catalog is away: the next sweep finds what this one did not.
                LogSweepFailed(logger, e);
            }
        }
    }

    private static async Task<bool> TryLockAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var claim = new NpgsqlCommand("SELECT pg_try_advisory_lock($1)", connection);
        claim.Parameters.Add(new NpgsqlParameter<long> { TypedValue = LockKey });
        return (bool)(await claim.ExecuteScalarAsync(cancellationToken))!;
    }

    private async Task<int> SweepTenantsAsync(CancellationToken cancellationToken)
    {
        var removed = 0;
        var filter = new TenantFilter { Status = TenantStatus.Active, Limit = 500 };
        IReadOnlyList<Tenant> page;
        do
        {
            page = await tenants.ListAsync(filter, cancellationToken);
            foreach (var tenant in page.Where(t => t.AccessMode is AccessMode.ReadWrite))
            {
                removed += await SweepTenantAsync(tenant, cancellationToken);
            }

            filter = page.Count > 0 ? filter with { After = (page[^1].CreatedAt, page[^1].Id.Value) } : filter;
        } while (page.Count == filter.Limit);

        return removed;
    }

    private async Task<int> SweepTenantAsync(Tenant tenant, CancellationToken cancellationToken)
    {
        var removed = 0;
        try
        {
            int batch;
            do
            {
                var before = time.GetUtcNow() - options.Value.TrashRetention;
                batch = await documents.SweepAsync(tenant, before, BatchSize, cancellationToken);
                removed += batch;
            } while (batch == BatchSize);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // One tenant that is moving, fenced or out of reach does not keep the others waiting.
            LogTenantSkipped(logger, tenant.Id, e);
        }

        if (removed > 0)
        {
            LogSwept(logger, tenant.Id, removed);
        }

        return removed;
    }

    [LoggerMessage(
        3001,
        LogLevel.Information,
        "Removed {Count} documents of tenant {TenantId} from the trash for good"
    )]
    private static partial void LogSwept(ILogger logger, TenantId tenantId, int count);

    [LoggerMessage(3002, LogLevel.Warning, "The trash of tenant {TenantId} was skipped in this sweep")]
    private static partial void LogTenantSkipped(ILogger logger, TenantId tenantId, Exception exception);

    [LoggerMessage(3003, LogLevel.Warning, "A sweep of the trash failed; the next one looks again")]
    private static partial void LogSweepFailed(ILogger logger, Exception exception);
}
