using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Moves;

namespace TenantDocs.Cli.Moves;

/// <summary><c>tenantdocs rebalance plan|run</c></summary>
internal static class RebalanceCommands
{
    public static CliCommand Create() =>
        new("rebalance", "Moves tenants off full and draining servers.") { Plan(), Run() };

    private static CliCommand Plan()
    {
        var threshold = Threshold();
        return new CliCommand("plan", "Says which moves would level the servers, and why; changes nothing.")
        {
            Examples = ["tenantdocs rebalance plan --threshold 0.1"],
        }
            .With(threshold)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    Write(
                        run,
                        await platform
                            .GetRequiredService<Rebalancing>()
                            .PlanAsync(run.Value(threshold), cancellationToken)
                    );
                }
            );
    }

    private static CliCommand Run()
    {
        var threshold = Threshold();
        var limit = new Option<int>("--limit")
        {
            Description = "At most so many moves.",
            DefaultValueFactory = _ => 100,
        };
        return new CliCommand(
            "run",
            "Begins the moves of the plan; the hosts carry them out. Fails when a tenant has to stay on a draining server."
        )
        {
            Examples = ["tenantdocs rebalance run --limit 10"],
        }
            .With(threshold, limit)
            .Runs(
                async (run, cancellationToken) =>
                {
                    var platform = await run.OpenAsync(cancellationToken);
                    var rebalancing = platform.GetRequiredService<Rebalancing>();
                    var plan = await rebalancing.PlanAsync(run.Value(threshold), cancellationToken);
                    var refused = 0;
                    var begun = new List<RebalanceMove>();
                    foreach (var move in plan.Moves.Take(run.Value(limit)))
                    {
                        try
                        {
                            var started = await run.RecordAsync(
                                "moveTenant",
                                $"/tenants/{move.Tenant}",
                                move,
                                () => rebalancing.BeginAsync(move, Operator.Name, cancellationToken)
                            );
                            run.Terminal.Say(
                                $"{move.Tenant}: {move.From} to {move.To}, operation {started.Operation.Id}"
                            );
                            begun.Add(move);
                        }
                        catch (CommandException e)
                        {
                            // What one tenant is in the way of does not hold up the others.
                            refused++;
                            run.Terminal.Say($"{move.Tenant}: {e.Message}");
                        }
                    }

                    Write(run, plan with { Moves = begun });
                    return refused == 0 && plan.Stuck.Count == 0 ? ExitCode.Done : ExitCode.Failed;
                }
            );
    }

    private static Option<double> Threshold() =>
        new("--threshold")
        {
            Description = "The difference of fill (0 to 1) between two servers that is left alone.",
            DefaultValueFactory = _ => 0.1,
        };

    private static void Write(Invocation run, RebalancePlan plan)
    {
        run.Terminal.List(
            [.. plan.Moves, .. plan.Stuck],
            m => m,
            new("TENANT", m => m.Tenant),
            new("FROM", m => m.From),
            new("TO", m => m.To),
            new("WHY", m => m.Reason)
        );
    }
}
