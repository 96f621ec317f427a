using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TenantDocs.Catalog;

namespace TenantDocs.Operations;

/// <summary>
/// Looks for what failed operations wrote down and did not take back, and begins a <c>cleanup</c> for it. An operation of
/// its own, so that it never cleans under the feet of another one of the same tenant.
/// </summary>
internal sealed partial class OperationSweeper(
    CatalogDatabase catalog,
    OperationRequests requests,
    IOptions<OperationOptions> options,
    TimeProvider time,
    ILogger<OperationSweeper> logger
) : BackgroundService
{
    /// <summary>Name of the kind of operation that cleans.</summary>
    public const string CleanupType = "cleanup";

    private const string LeftoversSql = """
        SELECT DISTINCT o.tenant_id, o.tenant_slug
          FROM operation_objects AS j JOIN operations AS o ON o.id = j.operation_id
         WHERE j.settled_at IS NULL AND o.status IN ('failed', 'cancelled') AND o.tenant_id IS NOT NULL
           AND NOT EXISTS (SELECT FROM operations AS busy
                            WHERE busy.tenant_id = o.tenant_id AND busy.exclusive AND busy.finished_at IS NULL)
           -- What could not be cleaned a moment ago (its server is down) cannot be cleaned now.
           AND NOT EXISTS (SELECT FROM operations AS tried
                            WHERE tried.tenant_id = o.tenant_id AND tried.type = 'cleanup'
                              AND tried.finished_at > now() - make_interval(secs => $1))
         LIMIT 20
        """;

    private const string ForgetSql = """
        DELETE FROM operation_events AS e USING operations AS o
         WHERE o.id = e.operation_id AND o.finished_at < now() - make_interval(secs => $1)
        """;

    /// <summary>Begins to clean; returns for how many tenants.</summary>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        var found = new List<(Guid Tenant, string? Slug)>();
        await using (var command = catalog.Source.CreateCommand(LeftoversSql))
        {
            command.Parameters.Add(Seconds(options.Value.SweepInterval * 4));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                found.Add((reader.GetGuid(0), reader.IsDBNull(1) ? null : reader.GetString(1)));
            }
        }

        foreach (var (tenant, slug) in found)
        {
            LeftoversFound(logger, tenant);
            await requests.StartAsync(
                new NewOperation(CleanupType, new { tenant }, "platform")
                {
                    Tenant = new TenantId(tenant),
                    TenantSlug = slug,
                },
                cancellationToken
            );
        }

        return found.Count;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.Value.Enabled)
        {
            return;
        }

        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(options.Value.SweepInterval, time, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                if (catalog.IsOpen && !stoppingToken.IsCancellationRequested)
                {
                    await SweepAsync(stoppingToken);
                    await using var command = catalog.Source.CreateCommand(ForgetSql);
                    command.Parameters.Add(Seconds(options.Value.EventRetention));
                    await command.ExecuteNonQueryAsync(stoppingToken);
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                SweepFailed(logger, e);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private static Npgsql.NpgsqlParameter<double> Seconds(TimeSpan span) => new() { TypedValue = span.TotalSeconds };

    [LoggerMessage(
        7008,
        LogLevel.Warning,
        "A failed operation left something behind for tenant {Tenant}; it is cleaned now."
    )]
    private static partial void LeftoversFound(ILogger logger, Guid tenant);

    [LoggerMessage(7009, LogLevel.Error, "Looking for leftovers failed; it is tried again.")]
    private static partial void SweepFailed(ILogger logger, Exception exception);
}
