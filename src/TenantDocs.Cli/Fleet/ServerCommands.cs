using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Fleet;
using TenantDocs.Provisioning;

namespace TenantDocs.Cli.Fleet;

/// <summary><c>tenantdocs server …</c></summary>
internal static class ServerCommands
{
    public static CliCommand Create() =>
        new("server", "PostgreSQL servers that hold tenants: list, add, drain.") { List(), Add(), Drain() };

    private static CliCommand List() =>
        new CliCommand("list", "Lists the registered servers.") { Examples = ["tenantdocs server list"] }.Runs(
            async (run, cancellationToken) =>
            {
                var platform = await run.OpenAsync(cancellationToken);
                Write(run, await platform.GetRequiredService<TenantPlacing>().LoadAsync(cancellationToken));
            }
        );

    private static CliCommand Add()
    {
        var name = new Argument<string>("name") { Description = "Its name in placements: a-z, 0-9 and hyphens." };
        var connection = new Option<string>("--connection")
        {
            Description = "How its administrator connects (may create roles and databases). Kept in the catalog.",
            Required = true,
            HelpName = "connection string",
        };
        var region = new Option<string>("--region")
        {
            Description = "Where it is.",
            DefaultValueFactory = _ => "default",
        };
        var capacity = new Option<int>("--capacity")
        {
            Description = "How many tenants it is meant to hold.",
            DefaultValueFactory = _ => 10_000,
        };
        return new CliCommand("add", "Registers a server and makes it ready to hold tenants.")
        {
            Examples = ["tenantdocs server add eu-2 --connection 'Host=db2;Username=postgres;Password=…' --region eu"],
        }
            .With(name, connection, region, capacity)
            .Runs(
                async (run, cancellationToken) =>
                {
                    if (run.Value(capacity) < 1 || !ServerFleet.IsName(run.Value(name)))
                    {
                        throw new CommandException(
                            "A server's name is ^[a-z0-9][a-z0-9-]{0,62}$ and its capacity at least 1. Nothing was changed.",
                            ExitCode.Usage
                        );
                    }

                    var options = new ServerOptions
                    {
                        ConnectionString = run.Value(connection)!,
                        Region = run.Value(region)!,
                        Capacity = run.Value(capacity),
                    };
                    var platform = await run.OpenAsync(cancellationToken);
                    var added = await run.RecordAsync(
                        "addServer",
                        $"/servers/{run.Value(name)}",
                        new { options.Region, options.Capacity },
                        () =>
                            platform
                                .GetRequiredService<ServerFleet>()
                                .AddAsync(run.Value(name), options, cancellationToken)
                    );
                    Write(run, [added]);
                }
            );
    }

    private static CliCommand Drain()
    {
        var name = new Argument<string>("name") { Description = "The server." };
        var undo = new Option<bool>("--undo") { Description = "Let new tenants be placed on it again." };
        return new CliCommand("drain", "Places no new tenant on a server; those on it stay and are served.")
        {
            Examples = ["tenantdocs server drain eu-1", "tenantdocs server drain eu-1 --undo"],
        }
            .With(name, undo)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    var draining = !run.Value(undo);
                    var changed = await run.RecordAsync(
                        draining ? "drainServer" : "undrainServer",
                        $"/servers/{run.Value(name)}",
                        new { },
                        () =>
                            platform
                                .GetRequiredService<ServerFleet>()
                                .SetDrainingAsync(run.Value(name), draining, cancellationToken)
                    );
                    Write(run, [changed]);
                }
            );
    }

    private static void Write(Invocation run, IEnumerable<ServerLoad> servers) =>
        run.Terminal.List(
            servers,
            s => s,
            new("NAME", s => s.Name),
            new("REGION", s => s.Region),
            new("TENANTS", s => s.Used),
            new("CAPACITY", s => s.Capacity),
            new("DRAINING", s => s.Draining)
        );
}
