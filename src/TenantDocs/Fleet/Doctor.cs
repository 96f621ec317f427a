using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Fleet;

/// <summary>How a check came out.</summary>
public enum CheckStatus
{
    /// <summary>As it should be.</summary>
    Ok,

    /// <summary>Works, and should be looked at.</summary>
    Warning,

    /// <summary>Wrong.</summary>
    Failed,
}

/// <summary>One finding.</summary>
/// <param name="Name">Which check: kebab-case.</param>
/// <param name="Status">How it came out.</param>
/// <param name="Server">On which server, where it is about one.</param>
/// <param name="Detail">In words: what is, and what to do where it is not right.</param>
public sealed record DoctorCheck(string Name, CheckStatus Status, string? Server, string Detail);

/// <summary>All findings.</summary>
/// <param name="Healthy">None failed.</param>
/// <param name="Checks">The findings.</param>
public sealed record DoctorReport(bool Healthy, IReadOnlyList<DoctorCheck> Checks);

/// <summary>Examines the platform: every server, every kind of database, the fences, and what may be left over.</summary>
public sealed class Doctor(
    CatalogDatabase catalog,
    TenantCatalog tenants,
    ServerConnections servers,
    ServerChecks checks
)
{
    private const int PageSize = 1000;

    private const string StuckSql = """
        SELECT count(*) FROM operations
         WHERE finished_at IS NULL AND status <> 'waiting'
           AND (attempts >= 3 OR run_after < now() - interval '2 minutes')
           AND (lease_until IS NULL OR lease_until < now() - interval '1 minute' OR attempts >= 3)
        """;

    /// <summary>Examines everything; a server that cannot be reached is a finding, not an error.</summary>
    public async Task<DoctorReport> ExamineAsync(CancellationToken cancellationToken)
    {
        var found = new List<DoctorCheck>();
        var all = await TenantsAsync(cancellationToken);
        foreach (var server in servers.All)
        {
            try
            {
                var here = all.Where(t => t.Placement.Server == server.Name).ToList();
                found.AddRange(await checks.ExamineAsync(server.Name, here, cancellationToken));
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException)
            {
                found.Add(
                    new DoctorCheck(
                        "server-reachable",
                        CheckStatus.Failed,
                        server.Name,
                        "The server, or a database that should be on it, cannot be reached. Its tenants are unavailable."
                    )
                );
            }
        }

        found.Add(
            await catalog.IsOpenToPublicAsync(cancellationToken)
                ? new DoctorCheck(
                    "control-database",
                    CheckStatus.Failed,
                    null,
                    "Everybody may connect to the control database. Restart a node: it closes it, or says why it cannot."
                )
                : new DoctorCheck("control-database", CheckStatus.Ok, null, "The control database is closed.")
        );
        found.Add(await StuckAsync(cancellationToken));
        return new DoctorReport(found.TrueForAll(c => c.Status is not CheckStatus.Failed), found);
    }

    private async Task<List<Tenant>> TenantsAsync(CancellationToken cancellationToken)
    {
        var all = new List<Tenant>();
        IReadOnlyList<Tenant> page;
        var filter = new TenantFilter { Limit = PageSize };
        do
        {
            page = await tenants.ListAsync(filter, cancellationToken);
            all.AddRange(page);
            filter = filter with { After = page.Count > 0 ? (page[^1].CreatedAt, page[^1].Id.Value) : null };
        } while (page.Count == PageSize);

        return all;
    }

    private async Task<DoctorCheck> StuckAsync(CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(StuckSql);
        var stuck = (long)(await command.ExecuteScalarAsync(cancellationToken))!;
        return stuck == 0
            ? new DoctorCheck("operations", CheckStatus.Ok, null, "No operation is stuck.")
            : new DoctorCheck(
                "operations",
                CheckStatus.Warning,
                null,
                $"{stuck} operation(s) do not get on. List the unfinished operations and look at their phases; "
                    + "is a node running that carries out operations?"
            );
    }
}
