using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Operations;

namespace TenantDocs.Cli.Operations;

/// <summary><c>tenantdocs operation …</c></summary>
internal static class OperationCommands
{
    public static CliCommand Create() =>
        new("operation", "Long-running jobs: list, show, watch, cancel.") { List(), Show(), Watch(), Cancel() };

    private static CliCommand List()
    {
        var tenant = new Option<string?>("--tenant") { Description = "Only of this tenant." };
        var type = new Option<string?>("--type") { Description = "Only of this type." };
        var status = EnumOption.Of<OperationStatus>("--status", "Only this status.");
        var limit = new Option<int>("--limit") { Description = "At most so many.", DefaultValueFactory = _ => 50 };
        return new CliCommand("list", "Lists operations, newest first.")
        {
            Examples =
            [
                "tenantdocs operation list --status running",
                "tenantdocs operation list --tenant acme -o json",
            ],
        }
            .With(tenant, type, status, limit)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    var filter = new OperationFilter
                    {
                        Tenant = run.Value(tenant),
                        Type = run.Value(type),
                        Status = EnumOption.Parse<OperationStatus>(run.Value(status)),
                        Limit = run.Value(limit),
                    };
                    var history = platform.GetRequiredService<OperationHistory>();
                    OperationView.List(run.Terminal, await history.ListAsync(filter, cancellationToken));
                }
            );
    }

    private static CliCommand Show() =>
        OnOne(
            "show",
            "Shows one operation.",
            (run, _, operation, _) =>
            {
                OperationView.Show(run.Terminal, operation);
                return Task.CompletedTask;
            }
        );

    private static CliCommand Watch() =>
        OnOne(
            "watch",
            "Follows an operation to its end; exits with 1 when it did not succeed.",
            async (run, platform, operation, cancellationToken) =>
            {
                var history = platform.GetRequiredService<OperationHistory>();
                var ended = await OperationView.WatchAsync(run.Terminal, history, operation, cancellationToken);
                OperationView.Show(run.Terminal, ended);
                if (OperationView.Refusal(ended) is { } refusal)
                {
                    throw refusal;
                }
            }
        );

    private static CliCommand Cancel() =>
        OnOne(
            "cancel",
            "Asks an operation to stop and to take back what it did.",
            async (run, platform, operation, cancellationToken) =>
            {
                var requests = platform.GetRequiredService<OperationRequests>();
                var cancelled = await run.RecordAsync(
                    "cancelOperation",
                    $"/operations/{operation.Id}",
                    new { },
                    () => requests.CancelAsync(operation.Id, cancellationToken)
                );
                OperationView.Show(run.Terminal, cancelled);
            }
        );

    private static CliCommand OnOne(
        string name,
        string description,
        Func<Invocation, IServiceProvider, Operation, CancellationToken, Task> act
    )
    {
        var id = new Argument<Guid>("id") { Description = "The operation's id." };
        return new CliCommand(name, description)
        {
            Examples = [$"tenantdocs operation {name} 0190b2f4-6c1d-7c3e-9a55-0f1d2c3b4a59"],
        }
            .With(id)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    var operation =
                        await platform
                            .GetRequiredService<OperationRequests>()
                            .FindAsync(run.Value(id), cancellationToken)
                        ?? throw new CommandException(
                            $"There is no operation {run.Value(id)}. See: tenantdocs operation list"
                        );
                    await act(run, platform, operation, cancellationToken);
                }
            );
    }
}
