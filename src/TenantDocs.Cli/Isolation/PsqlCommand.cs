using System.CommandLine;
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Cli.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Cli.Isolation;

/// <summary><c>tenantdocs psql</c>: the operator sees what the tenant's requests see, no more.</summary>
internal static class PsqlCommand
{
    public static CliCommand Create()
    {
        var slug = TenantCommands.Slug();
        var print = new Option<bool>("--print")
        {
            Description = "Print the command line instead of running it. It contains the request role's password.",
        };
        var sql = new Option<string?>("--command", "-c") { Description = "Run this SQL and end.", HelpName = "sql" };
        return new CliCommand(
            "psql",
            "Opens psql as the request role with the tenant set: row-level security applies, and nothing can be written."
        )
        {
            Examples =
            [
                "tenantdocs psql acme",
                "tenantdocs psql acme -c 'SELECT count(*) FROM documents'",
                "tenantdocs psql acme --print",
            ],
        }
            .With(slug, print, sql)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    var tenant = await platform
                        .GetRequiredService<TenantCatalog>()
                        .NeedAsync(run.Value(slug), cancellationToken);
                    var environment = Environment(tenant, platform.GetRequiredService<ServerConnections>());
                    if (run.Value(print))
                    {
                        var words = environment.Select(e => $"{e.Key}={Quote(e.Value)}").Append("psql");
                        await run.Terminal.Output.WriteLineAsync(string.Join(' ', words));
                        return ExitCode.Done;
                    }

                    return await StartAsync(environment, run.Value(sql), run.Terminal, cancellationToken);
                }
            );
    }

    private static Dictionary<string, string> Environment(Tenant tenant, ServerConnections connections)
    {
        var place = tenant.Placement;
        var settings = new NpgsqlConnectionStringBuilder(
            connections.ConnectionString(place.Server, place.Database, SessionRole.App)
        );
        return new Dictionary<string, string>
        {
            ["PGHOST"] = settings.Host ?? "",
            ["PGPORT"] = $"{settings.Port}",
            ["PGDATABASE"] = place.Database.Name,
            ["PGUSER"] = settings.Username ?? "",
            ["PGPASSWORD"] = settings.Password ?? "",
            ["PGAPPNAME"] = "tenantdocs-psql",
            ["PGOPTIONS"] =
                $"-c search_path={place.Schema} -c app.current_tenant={tenant.Id} -c default_transaction_read_only=on",
        };
    }

    private static async Task<int> StartAsync(
        Dictionary<string, string> environment,
        string? sql,
        Terminal terminal,
        CancellationToken cancellationToken
    )
    {
        var start = new ProcessStartInfo("psql") { UseShellExecute = false };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        start.ArgumentList.Add("--no-psqlrc");
        if (sql is not null)
        {
            start.ArgumentList.Add("--command");
            start.ArgumentList.Add(sql);
            start.RedirectStandardOutput = true;
            start.RedirectStandardError = true;
        }

        using var process = Start(start);
        if (sql is null)
        {
            // Ctrl+C is psql's: it ends the running query, not this program.
            await process.WaitForExitAsync(CancellationToken.None);
            return process.ExitCode == 0 ? ExitCode.Done : ExitCode.Failed;
        }

        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var error = process.StandardError.ReadToEndAsync(cancellationToken);
        await terminal.Output.WriteAsync(await output);
        if (await error is { Length: > 0 } words)
        {
            terminal.Say(words.TrimEnd());
        }

        await process.WaitForExitAsync(cancellationToken);
        return process.ExitCode == 0 ? ExitCode.Done : ExitCode.Failed;
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new CommandException(
                "psql is not on the PATH. Install PostgreSQL's client, or take the command line from --print."
            );
        }
    }

    private static string Quote(string value) => $"'{value.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
