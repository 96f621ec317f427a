using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Database;

namespace TenantDocs.Cli.Database;

/// <summary><c>tenantdocs migrate</c></summary>
internal static class MigrateCommand
{
    public static CliCommand Create() =>
        new CliCommand(
            "migrate",
            "Brings catalog, servers and every tenant's tables to this program's version; creates what is missing."
        )
        {
            Examples = ["tenantdocs migrate", "tenantdocs migrate --catalog 'Host=db;Username=postgres;Password=…'"],
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken cancellationToken)
    {
        var place = run.Place();
        var platform = run.Build();
        await platform
            .GetRequiredService<PlatformStartup>()
            .OpenAsync(place.ConnectionString, place.Servers, cancellationToken);
        var migrated = await platform.GetRequiredService<TenantMigration>().RunAsync(cancellationToken);
        if (migrated.Count > 0 || run.Terminal.Json)
        {
            run.Terminal.List(
                migrated,
                m => m,
                new("TENANT", m => m.Slug),
                new("FROM", m => m.From),
                new("TO", m => m.To),
                new("PROBLEM", m => m.Problem ?? "")
            );
        }

        run.Terminal.Say(
            migrated.Count == 0
                ? $"Everything is at the newest version: catalog {MigrationSet.Catalog.Latest}, tenant tables {MigrationSet.Tenant.Latest}."
                : $"{migrated.Count(m => m.Problem is null)} tenants migrated, {migrated.Count(m => m.Problem is not null)} not."
        );
        return migrated.Any(m => m.Problem is not null) ? ExitCode.Failed : ExitCode.Done;
    }
}
