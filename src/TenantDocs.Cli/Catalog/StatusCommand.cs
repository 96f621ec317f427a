using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Cli.Catalog;

/// <summary><c>tenantdocs status</c>: what is where.</summary>
internal static class StatusCommand
{
    public static CliCommand Create() =>
        new CliCommand("status", "Says where the platform is: catalog, servers, and how many tenants in which state.")
        {
            Examples = ["tenantdocs status", "tenantdocs status -o json"],
        }.Runs(RunAsync);

    private static async Task RunAsync(Invocation run, CancellationToken cancellationToken)
    {
        var place = run.Place();
        var platform = await run.OpenAsync(cancellationToken);
        var catalog = platform.GetRequiredService<CatalogDatabase>();
        var counts = await CountAsync(catalog, cancellationToken);
        var servers = await platform.GetRequiredService<ServerDirectory>().ListAsync(cancellationToken);
        var reachable = await Task.WhenAll(
            servers.Select(s =>
                VersionAsync(platform.GetRequiredService<ServerConnections>(), s.Name, cancellationToken)
            )
        );
        var settings = new NpgsqlConnectionStringBuilder(place.ConnectionString);
        var shape = new
        {
            Catalog = new
            {
                place.Origin,
                settings.Host,
                settings.Port,
                Version = MigrationSet.Catalog.Latest,
            },
            Tenants = counts.Where(c => c.Kind == "tenants").ToDictionary(c => c.Name, c => c.Count),
            Isolation = counts.Where(c => c.Kind == "isolation").ToDictionary(c => c.Name, c => c.Count),
            Operations = counts.Where(c => c.Kind == "operations").ToDictionary(c => c.Name, c => c.Count),
            Servers = servers.Select((s, i) => new { Server = s, Postgres = reachable[i] }),
        };
        if (run.Terminal.Json)
        {
            run.Terminal.WriteJson(shape);
            return;
        }

        run.Terminal.Show(
            shape,
            (
                "catalog",
                $"{settings.Host}:{settings.Port}, version {MigrationSet.Catalog.Latest}, found by {place.Origin}"
            ),
            ("tenants", Words(counts, "tenants")),
            ("isolation", Words(counts, "isolation")),
            ("operations", Words(counts, "operations"))
        );
        run.Terminal.Output.WriteLine();
        run.Terminal.List(
            servers.Zip(reachable),
            s => s,
            new("SERVER", s => s.First.Name),
            new("REGION", s => s.First.Region),
            new("STATUS", s => s.First.Status),
            new("TENANTS", s => s.First.Used),
            new("CAPACITY", s => s.First.Capacity),
            new("POSTGRESQL", s => s.Second ?? "not reachable")
        );
    }

    private static string Words(IReadOnlyList<(string Kind, string Name, long Count)> counts, string kind)
    {
        var some = counts.Where(c => c.Kind == kind).Select(c => $"{c.Count} {c.Name}").ToList();
        return some.Count == 0 ? "none" : string.Join(", ", some);
    }

    private static async Task<IReadOnlyList<(string Kind, string Name, long Count)>> CountAsync(
        CatalogDatabase catalog,
        CancellationToken cancellationToken
    )
    {
        await using var command = catalog.Source.CreateCommand(
            """
            SELECT 'tenants', status, count(*) FROM tenants GROUP BY status
            UNION ALL
            SELECT 'isolation', p.isolation, count(*)
              FROM placements AS p JOIN tenants AS t ON t.id = p.tenant_id
             WHERE t.status NOT IN ('purged', 'failed') GROUP BY p.isolation
            UNION ALL
            SELECT 'operations', status, count(*) FROM operations
             WHERE status IN ('pending', 'running', 'waiting', 'cancelling') GROUP BY status
             ORDER BY 1, 2
            """
        );
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var counts = new List<(string, string, long)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            counts.Add((reader.GetString(0), reader.GetString(1), reader.GetInt64(2)));
        }

        return counts;
    }

    private static async Task<string?> VersionAsync(
        ServerConnections connections,
        string server,
        CancellationToken cancellationToken
    )
    {
        try
        {
            await using var connection = await connections.OpenAsync(
                server,
                new PgIdentifier("postgres"),
                SessionRole.Admin,
                cancellationToken
            );
            return connection.PostgreSqlVersion.ToString();
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            return null;
        }
    }
}
