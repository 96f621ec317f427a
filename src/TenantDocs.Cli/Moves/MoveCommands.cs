using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Cli.Catalog;
using TenantDocs.Moves;
using TenantDocs.Operations;

namespace TenantDocs.Cli.Moves;

/// <summary><c>tenantdocs move …</c></summary>
internal static class MoveCommands
{
    private static readonly TimeSpan Forever = TimeSpan.FromDays(7);

    public static CliCommand Create()
    {
        var slug = new Argument<string?>("slug")
        {
            Description = "The tenant's slug.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var wanted = new MoveOptionsOnLine();
        var watch = new Option<bool>("--watch") { Description = "Follow the move to its end." };
        var command = new CliCommand("move", "Moves a live tenant to another isolation or server.")
        {
            Examples =
            [
                "tenantdocs move acme --to database --server local-2 --watch",
                "tenantdocs move plan acme --to schema",
                "tenantdocs move acme --server local-2 --manual && tenantdocs move cutover <operation>",
                "tenantdocs move rollback <operation>",
            ],
        };
        command.Add(Plan());
        command.Add(Status());
        command.Add(Wait());
        command.Add(
            On(
                "cutover",
                "cutOverMove",
                "Switches a move that waits for the word.",
                (moves, id, token) => moves.CutoverAsync(id, token)
            )
        );
        command.Add(
            On(
                "cancel",
                "cancelOperation",
                "Gives a move up before its switch; the tenant stays where it is.",
                (moves, id, token) => moves.CancelAsync(id, token)
            )
        );
        command.Add(
            On(
                "rollback",
                "rollBackMove",
                "Takes a move back while its source is kept.",
                (moves, id, token) => moves.RollbackAsync(id, Operator.Name, token)
            )
        );
        command.Add(
            On(
                "finalize",
                "finalizeMove",
                "Removes at once what a move keeps.",
                (moves, id, token) => moves.FinalizeAsync(id, token)
            )
        );
        return command
            .With([slug, .. wanted.All, watch])
            .Runs(
                async (run, cancellationToken) =>
                {
                    var name =
                        run.Value(slug) ?? throw new CommandException("Which tenant? Give its slug.", ExitCode.Usage);
                    var platform = await run.OpenAsync(cancellationToken);
                    var request = wanted.Read(run);
                    var started = await run.RecordAsync(
                        "moveTenant",
                        $"/tenants/{name}",
                        request,
                        () =>
                            platform
                                .GetRequiredService<TenantMoves>()
                                .StartAsync(name, request, dryRun: false, Operator.Name, cancellationToken)
                    );
                    var operation = started.Operation;
                    if (run.Value(watch))
                    {
                        await MoveView.FollowAsync(run, platform, operation, Forever, cancellationToken);
                        return;
                    }

                    MoveView.Write(run, operation);
                    run.Terminal.Say($"Follow it with: tenantdocs move wait {operation.Id}");
                }
            );
    }

    private static CliCommand Plan()
    {
        var slug = TenantCommands.Slug();
        var wanted = new MoveOptionsOnLine();
        return new CliCommand("plan", "Says what a move would do; changes nothing.")
        {
            Examples = ["tenantdocs move plan acme --to database -o json"],
        }
            .With([slug, .. wanted.All])
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    var planned = await platform
                        .GetRequiredService<TenantMoves>()
                        .PlanAsync(run.Value(slug), wanted.Read(run), cancellationToken);
                    var plan = planned.Match(p => p, e => throw CommandException.From(e));
                    run.Terminal.Show(
                        plan,
                        ("tenant", plan.Tenant),
                        ("from", $"{plan.From.Isolation.ToText()} on {plan.From.Server}"),
                        ("to", $"{plan.To.Isolation.ToText()} on {plan.To.Server}"),
                        ("method", plan.Method),
                        ("rows", plan.Rows),
                        ("bytes", plan.Bytes),
                        ("estimate", $"{plan.EstimatedSeconds} s"),
                        ("write pause", $"at most {plan.MaxWritePauseMs} ms"),
                        ("notes", string.Join('\n', plan.Notes.Select(n => n.Detail))),
                        ("blockers", string.Join('\n', plan.Blockers.Select(b => $"{b.Code}: {b.Detail}")))
                    );
                    return plan.Blockers.Count == 0 ? ExitCode.Done : ExitCode.Failed;
                }
            );
    }

    private static CliCommand Status()
    {
        var id = Id();
        return new CliCommand("status", "Shows how far a move is.")
        {
            Examples = ["tenantdocs move status <operation>"],
        }
            .With(id)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    MoveView.Write(run, await FindAsync(platform, run.Value(id), cancellationToken));
                }
            );
    }

    private static CliCommand Wait()
    {
        var id = Id();
        var atMost = MoveOptionsOnLine.Number("--timeout", "Seconds to wait at most.", 0, (int)Forever.TotalSeconds);
        return new CliCommand("wait", "Follows a move to its end.") { Examples = ["tenantdocs move wait <operation>"] }
            .With(id, atMost)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    var operation = await FindAsync(platform, run.Value(id), cancellationToken);
                    var limit = run.Value(atMost) is { } seconds ? TimeSpan.FromSeconds(seconds) : Forever;
                    await MoveView.FollowAsync(run, platform, operation, limit, cancellationToken);
                }
            );
    }

    private static CliCommand On(
        string name,
        string action,
        string description,
        Func<TenantMoves, Guid, CancellationToken, Task<Result<Operation>>> act
    )
    {
        var id = Id();
        var watch = new Option<bool>("--watch") { Description = "Follow it to its end." };
        return new CliCommand(name, description) { Examples = [$"tenantdocs move {name} <operation>"] }
            .With(id, watch)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    var moves = platform.GetRequiredService<TenantMoves>();
                    var operation = await run.RecordAsync(
                        action,
                        $"/operations/{run.Value(id)}",
                        new { },
                        () => act(moves, run.Value(id), cancellationToken)
                    );
                    if (run.Value(watch))
                    {
                        // Who cancels it, or takes it back before its switch, wants to see it cancelled.
                        var wanted = operation.Status is OperationStatus.Cancelling or OperationStatus.Cancelled
                            ? OperationStatus.Cancelled
                            : OperationStatus.Succeeded;
                        await MoveView.FollowAsync(run, platform, operation, Forever, cancellationToken, wanted);
                        return;
                    }

                    MoveView.Write(run, operation);
                }
            );
    }

    private static Argument<Guid> Id() => new("operation") { Description = "The move's id." };

    private static async Task<Operation> FindAsync(
        IServiceProvider platform,
        Guid id,
        CancellationToken cancellationToken
    ) =>
        await platform.GetRequiredService<OperationRequests>().FindAsync(id, cancellationToken)
        ?? throw new CommandException("There is no such operation.");
}

/// <summary>What can be asked of a move, as options.</summary>
internal sealed class MoveOptionsOnLine
{
    private readonly Option<string?> _to = EnumOption.Of<IsolationModel>(
        "--to",
        "The isolation to be. Default: as now."
    );
    private readonly Option<string?> _server = new("--server") { Description = "The server to be. Default: as now." };
    private readonly Option<string?> _tier = new("--tier") { Description = "The tier to be." };
    private readonly Option<int?> _pause = Number(
        "--max-pause",
        "The longest that writes may wait, in ms.",
        1,
        MoveRequest.LongestPauseMs
    );
    private readonly Option<string?> _keep = Keeping();
    private readonly Option<bool> _manual = new("--manual")
    {
        Description = "Wait for 'move cutover' before the switch.",
    };

    public IEnumerable<Symbol> All => [_to, _server, _tier, _pause, _keep, _manual];

    public MoveRequest Read(Invocation run) =>
        new()
        {
            Isolation = EnumOption.Parse<IsolationModel>(run.Value(_to)),
            Server = run.Value(_server),
            Tier = run.Value(_tier),
            MaxWritePauseMs = run.Value(_pause),
            KeepSourceFor =
                run.Value(_keep) is { } text && MoveRequest.TryReadKeeping(text, out var duration) ? duration : null,
            AutoCutover = !run.Value(_manual),
        };

    /// <summary>An option that takes a whole number of a range.</summary>
    public static Option<int?> Number(string name, string description, int least, int most)
    {
        var option = new Option<int?>(name) { Description = description };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is { } number && (number < least || number > most))
            {
                result.AddError($"{name} takes a number from {least} to {most}.");
            }
        });
        return option;
    }

    private static Option<string?> Keeping()
    {
        var option = new Option<string?>("--keep-source")
        {
            Description = "How long the way back stays open (PT10M). Default PT1H.",
            HelpName = "duration",
        };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { } text && !MoveRequest.TryReadKeeping(text, out _))
            {
                result.AddError(
                    $"--keep-source takes an ISO 8601 duration up to 30 days, such as PT10M; not '{text}'."
                );
            }
        });
        return option;
    }
}
