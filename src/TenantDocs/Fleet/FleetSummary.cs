using TenantDocs.Catalog;

namespace TenantDocs.Fleet;

/// <summary>The fleet in numbers.</summary>
/// <param name="Tenants">Tenants that are not purged.</param>
/// <param name="ByStatus">By status.</param>
/// <param name="ByIsolation">By model.</param>
/// <param name="ByTier">By tier.</param>
/// <param name="ByServer">By server.</param>
/// <param name="BySchemaVersion">By version of the tenant tables.</param>
/// <param name="Operations">Unfinished operations by status, and those that failed within a day.</param>
public sealed record FleetNumbers(
    long Tenants,
    IReadOnlyDictionary<string, long> ByStatus,
    IReadOnlyDictionary<string, long> ByIsolation,
    IReadOnlyDictionary<string, long> ByTier,
    IReadOnlyDictionary<string, long> ByServer,
    IReadOnlyDictionary<string, long> BySchemaVersion,
    IReadOnlyDictionary<string, long> Operations
);

/// <summary>Counts the fleet, from the catalog alone.</summary>
public sealed class FleetSummary(CatalogDatabase catalog)
{
    private const string Sql = """
        WITH kept AS (
            SELECT t.status, t.tier, t.schema_version::text AS version, p.isolation, p.server
              FROM tenants AS t JOIN placements AS p ON p.tenant_id = t.id WHERE t.status <> 'purged')
        SELECT 'status', status, count(*) FROM kept GROUP BY status
        UNION ALL SELECT 'isolation', isolation, count(*) FROM kept GROUP BY isolation
        UNION ALL SELECT 'tier', tier, count(*) FROM kept GROUP BY tier
        UNION ALL SELECT 'server', server, count(*) FROM kept GROUP BY server
        UNION ALL SELECT 'version', version, count(*) FROM kept GROUP BY version
        UNION ALL SELECT 'operations', status, count(*) FROM operations
                   WHERE finished_at IS NULL OR (status = 'failed' AND finished_at > now() - interval '1 day') GROUP BY status
        """;

    /// <summary>The numbers of this moment.</summary>
    public async Task<FleetNumbers> ReadAsync(CancellationToken cancellationToken)
    {
        var counts = new List<(string Of, string Name, long Count)>();
        await using var command = catalog.Source.CreateCommand(Sql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            counts.Add((reader.GetString(0), reader.GetString(1), reader.GetInt64(2)));
        }

        SortedDictionary<string, long> By(string of) =>
            new(counts.Where(c => c.Of == of).ToDictionary(c => c.Name, c => c.Count), StringComparer.Ordinal);
        return new FleetNumbers(
            counts.Where(c => c.Of == "status").Sum(c => c.Count),
            By("status"),
            By("isolation"),
            By("tier"),
            By("server"),
            By("version"),
            By("operations")
        );
    }
}
