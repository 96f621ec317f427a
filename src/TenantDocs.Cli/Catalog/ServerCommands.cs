using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;

namespace TenantDocs.Cli.Catalog;

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
                var usage = await platform.GetRequiredService<ServerDirectory>().ListAsync(cancellationToken);
                Write(run, usage);
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
        return new CliCommand(
            "add",
            "Registers a server and makes it ready to hold tenants; again: changes how it is reached."
        )
        {
            Examples = ["tenantdocs server add eu-2 --connection 'Host=db2;Username=postgres;Password=…' --region eu"],
        }
            .With(name, connection, region, capacity)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    var directory = platform.GetRequiredService<ServerDirectory>();
                    if (run.Value(capacity) < 1 || !ServerDirectory.IsName(run.Value(name)))
                    {
                        throw new CommandException(
                            "A server's name is ^[a-z0-9][a-z0-9-]{0,62}$ and its capacity at least 1. Nothing was changed.",
                            ExitCode.Usage
                        );
                    }

                    await platform
                        .GetRequiredService<PlatformStartup>()
                        .AddServerAsync(
                            new ServerRegistration(
                                run.Value(name),
                                new ServerOptions
                                {
                                    ConnectionString = run.Value(connection)!,
                                    Region = run.Value(region)!,
                                    Capacity = run.Value(capacity),
                                }
                            ),
                            cancellationToken
                        );
                    Write(run, [await directory.NeedAsync(run.Value(name), cancellationToken)]);
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
                    var directory = platform.GetRequiredService<ServerDirectory>();
                    await directory.NeedAsync(run.Value(name), cancellationToken);
                    await directory.DrainAsync(run.Value(name), !run.Value(undo), cancellationToken);
                    Write(run, [await directory.NeedAsync(run.Value(name), cancellationToken)]);
                }
            );
    }

    private static async Task<ServerUsage> NeedAsync(
        this ServerDirectory directory,
        string name,
        CancellationToken cancellationToken
    ) =>
        (await directory.ListAsync(cancellationToken)).FirstOrDefault(s => s.Name == name)
        ?? throw new CommandException($"There is no server '{name}'. See: tenantdocs server list");

    internal static void Write(Invocation run, IEnumerable<ServerUsage> servers) =>
        run.Terminal.List(
            servers,
            s => s,
            new("NAME", s => s.Name),
            new("REGION", s => s.Region),
            new("STATUS", s => s.Status),
            new("TENANTS", s => s.Used),
            new("CAPACITY", s => s.Capacity)
        );
}
