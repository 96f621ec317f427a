using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;

namespace TenantDocs.Cli.Catalog;

/// <summary><c>tenantdocs tenant …</c></summary>
internal static class TenantCommands
{
    public static CliCommand Create()
    {
        var tenant = new CliCommand("tenant", "Tenants: make, list, change their condition, remove, keys.")
        {
            List(),
            Show(),
            TenantKeyCommands.Create(),
        };
        foreach (var command in TenantLifecycleCommands.All())
        {
            tenant.Add(command);
        }

        return tenant;
    }

    private static CliCommand List()
    {
        var search = new Option<string?>("--search") { Description = "Part of slug or name." };
        var isolation = EnumOption.Of<IsolationModel>("--isolation", "Only this isolation.");
        var status = EnumOption.Of<TenantStatus>("--status", "Only this status; purged tenants are shown only so.");
        var tier = new Option<string?>("--tier") { Description = "Only this tier." };
        var server = new Option<string?>("--server") { Description = "Only on this server." };
        var limit = new Option<int>("--limit") { Description = "At most so many.", DefaultValueFactory = _ => 1000 };
        var command = new CliCommand("list", "Lists tenants in order of their creation.")
        {
            Examples = ["tenantdocs tenant list --isolation database", "tenantdocs tenant list --search acme -o json"],
        };
        return command
            .With(search, isolation, status, tier, server, limit)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    var filter = new TenantFilter
                    {
                        Search = run.Value(search),
                        Isolation = EnumOption.Parse<IsolationModel>(run.Value(isolation)),
                        Status = EnumOption.Parse<TenantStatus>(run.Value(status)),
                        Tier = run.Value(tier),
                        Server = run.Value(server),
                        Limit = run.Value(limit),
                    };
                    var tenants = await platform
                        .GetRequiredService<TenantCatalog>()
                        .ListAsync(filter, cancellationToken);
                    run.Terminal.List(
                        tenants,
                        TenantShape.Of,
                        new("SLUG", t => t.Slug),
                        new("NAME", t => t.Name),
                        new("TIER", t => t.Tier),
                        new("ISOLATION", t => t.Placement.Isolation),
                        new("SERVER", t => t.Placement.Server),
                        new("STATUS", t => t.Status),
                        new("ACCESS", t => t.AccessMode),
                        new("CREATED", t => t.CreatedAt)
                    );
                }
            );
    }

    private static CliCommand Show()
    {
        var slug = Slug();
        return new CliCommand("show", "Shows one tenant.") { Examples = ["tenantdocs tenant show acme"] }
            .With(slug)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    var catalog = platform.GetRequiredService<TenantCatalog>();
                    Write(run, await catalog.NeedAsync(run.Value(slug), cancellationToken));
                }
            );
    }

    internal static Argument<string> Slug() => new("slug") { Description = "The tenant's slug." };

    internal static void Write(Invocation run, Tenant tenant) =>
        run.Terminal.Show(
            TenantShape.Of(tenant),
            ("slug", tenant.Slug),
            ("id", tenant.Id),
            ("name", tenant.Name),
            ("tier", tenant.Tier),
            ("status", tenant.Status),
            ("reason", tenant.SuspendReason),
            ("purge at", tenant.PurgeAt),
            ("access", tenant.AccessMode),
            ("isolation", tenant.Placement.Isolation),
            ("server", tenant.Placement.Server),
            ("database", tenant.Placement.Database),
            ("schema", tenant.Placement.Schema),
            ("epoch", tenant.Placement.Epoch),
            ("region", tenant.Region),
            ("language", tenant.Language),
            ("tables", $"version {tenant.SchemaVersion}"),
            ("created", tenant.CreatedAt),
            ("operation", tenant.ActiveOperation)
        );
}
