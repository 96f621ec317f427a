using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using TenantDocs.Database;
using TenantDocs.Fleet;
using TenantDocs.Isolation;
using TenantDocs.Provisioning;

namespace TenantDocs.Cli.Fleet;

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
        var numbers = await platform.GetRequiredService<FleetSummary>().ReadAsync(cancellationToken);
        var servers = await platform.GetRequiredService<TenantPlacing>().LoadAsync(cancellationToken);
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
            Tenants = numbers.ByStatus,
            Isolation = numbers.ByIsolation,
            numbers.Operations,
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
            ("tenants", Words(numbers.ByStatus)),
            ("isolation", Words(numbers.ByIsolation)),
            ("operations", Words(numbers.Operations))
        );
        run.Terminal.Output.WriteLine();
        run.Terminal.List(
            servers.Zip(reachable),
            s => s,
            new("SERVER", s => s.First.Name),
            new("REGION", s => s.First.Region),
            new("DRAINING", s => s.First.Draining),
            new("TENANTS", s => s.First.Used),
            new("CAPACITY", s => s.First.Capacity),
            new("POSTGRESQL", s => s.Second ?? "not reachable")
        );
    }

    private static string Words(IReadOnlyDictionary<string, long> counts) =>
        counts.Count == 0 ? "none" : string.Join(", ", counts.Select(c => $"{c.Value} {c.Key}"));

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
