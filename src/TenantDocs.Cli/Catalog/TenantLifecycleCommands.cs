using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Cli.Operations;
using TenantDocs.Operations;
using TenantDocs.Provisioning;

namespace TenantDocs.Cli.Catalog;

/// <summary><c>tenantdocs tenant create</c>, <c>suspend</c>, <c>resume</c>, <c>access</c>, <c>delete</c>, <c>undelete</c>, <c>purge</c></summary>
internal static class TenantLifecycleCommands
{
    private const string Confirm = "--confirm";

    private static readonly Option<bool> NoWait = new("--no-wait")
    {
        Description = "Only write the operation down, for a host to carry out.",
    };

    public static IEnumerable<CliCommand> All() =>
        [New(), Suspend(), Resume(), Access(), Delete(), Undelete(), Purge()];

    private static CliCommand New()
    {
        var slug = TenantCommands.Slug();
        var name = new Option<string?>("--name") { Description = "Name for people. Default: the slug." };
        var tier = new Option<string?>("--tier") { Description = "Preset of isolation and limits." };
        var isolation = EnumOption.Of<IsolationModel>("--isolation", "Where its rows live. Default: the tier's.");
        var server = new Option<string?>("--server") { Description = "Default: the one with most room." };
        var region = new Option<string?>("--region") { Description = "Region that its data must stay in." };
        return new CliCommand("create", "Makes a tenant.")
        {
            Examples =
            [
                "tenantdocs tenant create acme --name 'Acme Inc.' --tier business",
                "tenantdocs tenant create acme --isolation database --server eu-2",
            ],
        }
            .With(slug, name, tier, isolation, server, region, NoWait)
            .Runs(
                async (run, cancellationToken) =>
                {
                    if (!TenantSlug.TryParse(run.Value(slug), out var parsed))
                    {
                        throw new CommandException(
                            "A slug is ^[a-z][a-z0-9-]{1,38}[a-z0-9]$. Nothing was made.",
                            ExitCode.Usage
                        );
                    }

                    var platform = await OpenForWorkAsync(run, cancellationToken);
                    var request = new NewTenant(parsed, run.Value(name) ?? parsed.Value)
                    {
                        Tier = run.Value(tier),
                        Isolation = EnumOption.Parse<IsolationModel>(run.Value(isolation)),
                        Server = run.Value(server),
                        Region = run.Value(region),
                    };
                    var started = await run.RecordAsync(
                        "createTenant",
                        "/tenants",
                        request,
                        () =>
                            platform
                                .GetRequiredService<TenantProvisioning>()
                                .StartAsync(request, Operator.Name, cancellationToken)
                    );
                    if (await EndAsync(run, platform, started, cancellationToken))
                    {
                        var catalog = platform.GetRequiredService<TenantCatalog>();
                        TenantCommands.Write(run, await catalog.NeedAsync(parsed.Value, cancellationToken));
                    }
                }
            );
    }

    private static CliCommand Suspend()
    {
        var reason = new Option<string?>("--reason") { Description = "Shown to staff and tenant.", Required = true };
        return Change(
            "suspend",
            "suspendTenant",
            "Refuses a tenant's people; its data is kept.",
            "--reason 'invoice 4711'",
            [reason],
            (lifecycle, run, slug, token) => lifecycle.SuspendAsync(slug, run.Value(reason)!, token)
        );
    }

    private static CliCommand Resume() =>
        Change(
            "resume",
            "resumeTenant",
            "Ends a suspension.",
            "",
            [],
            (lifecycle, _, slug, token) => lifecycle.ResumeAsync(slug, token)
        );

    private static CliCommand Access()
    {
        var mode = EnumOption.Of<AccessMode>("--mode", "What its people may do.");
        mode.Required = true;
        return Change(
            "access",
            "setAccessMode",
            "Says what a tenant's people may do: everything, read, nothing.",
            "--mode readOnly",
            [mode],
            (lifecycle, run, slug, token) =>
                lifecycle.SetAccessModeAsync(slug, EnumOption.Parse<AccessMode>(run.Value(mode))!.Value, token)
        );
    }

    private static CliCommand Delete()
    {
        var confirm = Confirmation();
        return Change(
            "delete",
            "deleteTenant",
            "Refuses everybody from now on and purges the tenant after the grace; undelete takes it back until then.",
            "--confirm acme",
            [confirm],
            (lifecycle, _, slug, token) => lifecycle.DeleteAsync(slug, token)
        );
    }

    private static CliCommand Undelete() =>
        Change(
            "undelete",
            "undeleteTenant",
            "Takes a deletion back.",
            "",
            [],
            (lifecycle, _, slug, token) => lifecycle.UndeleteAsync(slug, token)
        );

    private static CliCommand Purge()
    {
        var slug = TenantCommands.Slug();
        var confirm = Confirmation();
        return new CliCommand("purge", "Removes a deleted tenant's data for good and prints the certificate.")
        {
            Examples = ["tenantdocs tenant purge acme --confirm acme -o json > certificate.json"],
        }
            .With(slug, confirm, NoWait)
            .Runs(
                async (run, cancellationToken) =>
                {
                    Confirmed(run, confirm, run.Value(slug));
                    var platform = await OpenForWorkAsync(run, cancellationToken);
                    var started = await run.RecordAsync(
                        "purgeTenant",
                        $"/tenants/{run.Value(slug)}",
                        new { },
                        () =>
                            platform
                                .GetRequiredService<TenantLifecycle>()
                                .PurgeAsync(run.Value(slug), Operator.Name, cancellationToken)
                    );
                    if (await EndAsync(run, platform, started, cancellationToken))
                    {
                        var requests = platform.GetRequiredService<OperationRequests>();
                        var ended = await requests.FindAsync(started.Operation.Id, cancellationToken);
                        OperationView.Show(run.Terminal, ended!);
                    }
                }
            );
    }

    private static CliCommand Change(
        string name,
        string action,
        string description,
        string example,
        Option[] options,
        Func<TenantLifecycle, Invocation, string, CancellationToken, Task<Result<Tenant>>> change
    )
    {
        var slug = TenantCommands.Slug();
        return new CliCommand(name, description) { Examples = [$"tenantdocs tenant {name} acme {example}".TrimEnd()] }
            .With([slug, .. options])
            .Runs(
                async (run, cancellationToken) =>
                {
                    if (options.OfType<Option<string?>>().FirstOrDefault(o => o.Name == Confirm) is { } confirm)
                    {
                        Confirmed(run, confirm, run.Value(slug));
                    }

                    var platform = await run.OpenAsync(cancellationToken);
                    var lifecycle = platform.GetRequiredService<TenantLifecycle>();
                    var changed = await run.RecordAsync(
                        action,
                        $"/tenants/{run.Value(slug)}",
                        options.ToDictionary(o => o.Name.TrimStart('-'), o => run.Value((Option<string?>)o)),
                        () => change(lifecycle, run, run.Value(slug), cancellationToken)
                    );
                    TenantCommands.Write(run, changed);
                }
            );
    }

    private static Option<string?> Confirmation() =>
        new(Confirm) { Description = "The slug once more; without it nothing is done.", HelpName = "slug" };

    private static void Confirmed(Invocation run, Option<string?> confirm, string slug)
    {
        if (run.Value(confirm) != slug)
        {
            throw new CommandException(
                $"Nothing was changed. To go on, say the slug once more: --confirm {slug}",
                ExitCode.Usage
            );
        }
    }

    private static Task<IServiceProvider> OpenForWorkAsync(Invocation run, CancellationToken cancellationToken) =>
        run.Value(NoWait) ? run.OpenAsync(cancellationToken) : run.OpenWithWorkerAsync(cancellationToken);

    /// <summary>Waits for the end; false when nobody asked for that, the operation is shown then.</summary>
    private static async Task<bool> EndAsync(
        Invocation run,
        IServiceProvider platform,
        StartedOperation started,
        CancellationToken cancellationToken
    )
    {
        var operation = started.Operation;
        if (run.Value(NoWait))
        {
            OperationView.Show(run.Terminal, operation);
            return false;
        }

        var history = platform.GetRequiredService<OperationHistory>();
        var ended = await OperationView.WatchAsync(run.Terminal, history, operation, cancellationToken);
        return OperationView.Refusal(ended) is { } refusal ? throw refusal : true;
    }
}
