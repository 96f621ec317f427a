using System.Diagnostics;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>The host that carries out a move is killed (SIGKILL) in each phase; the next one ends what it began.</summary>
public sealed class KilledMoverTests(PostgresFixture postgres) : MoveSetting(postgres)
{
    private readonly PostgresFixture _postgres = postgres;

    // This process only asks and writes: the children are those that work.
    protected override IReadOnlyDictionary<string, string?> Settings =>
        new Dictionary<string, string?>(base.Settings)
        {
            ["Operations:Enabled"] = "false",
            ["Isolation:MoveDeadline"] = "00:02:00",
        };

    [Theory(Explicit = true)]
    [InlineData("prepared")]
    [InlineData("copying")]
    [InlineData("verifying")]
    [InlineData("ready")]
    [InlineData("fenced")]
    [InlineData("active")]
    public async Task A_killed_mover_is_succeeded_by_another_one(string phase)
    {
        var first = await StartHostAsync();
        Operation begun;
        Workload? workload = null;
        try
        {
            var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
            workload = new Workload(Platform, tenant.Id).Start(writers: 2, readers: 1);
            await workload.AdvanceAsync(50);
            var started = await Moves.StartAsync(
                tenant.Slug,
                new MoveRequest { Isolation = IsolationModel.Database, Server = Second },
                false,
                "tests",
                CancellationToken.None
            );
            begun = started.Value.Operation;
            await ReachAsync(begun, phase, first);
        }
        finally
        {
            first.Kill();
            await first.WaitForExitAsync(CancellationToken.None);
            first.Dispose();
        }

        using var second = await StartHostAsync();
        await using var load = workload!;
        try
        {
            var move = await EndAsync(begun.Id);

            await load.AdvanceAsync(50);
            await load.JudgeAsync();
            await OneHomeAsync(begun.Tenant!.Value);
            if (move.Status is OperationStatus.Succeeded)
            {
                await FinalizeAsync(move.Id);
            }
            else
            {
                Assert.Contains("move-interrupted", move.Problem.ToString());
            }

            await NothingLeaksAsync();
        }
        finally
        {
            second.Kill();
            await second.WaitForExitAsync(CancellationToken.None);
        }
    }

    private async Task ReachAsync(Operation begun, string phase, Process host)
    {
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            var now = (await Requests.FindAsync(begun.Id, CancellationToken.None))!;
            var at = now.Phases.ToList();
            if (now.IsFinished || at.IndexOf(now.Phase!) >= at.IndexOf(phase))
            {
                return;
            }

            Assert.False(host.HasExited, "The host ended by itself.");
            Assert.True(Stopwatch.GetElapsedTime(since) < TimeSpan.FromMinutes(2), $"Stuck in {now.Phase}.");
        }
    }

    private async Task<Process> StartHostAsync()
    {
        var host = Path.Combine(AppContext.BaseDirectory, "TenantDocs.Api.dll");
        var child = new Process
        {
            StartInfo = new ProcessStartInfo("dotnet", [host])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment =
                {
                    ["ConnectionStrings__Catalog"] = await _postgres.ServerConnectionString(0),
                    ["Catalog__DatabasePrefix"] = Platform.Get<DatabaseNames>().Prefix,
                    ["Catalog__RoleSecret"] = Platform.RoleSecret,
                    ["Admin__BootstrapKey"] = "bootstrap-key-of-the-tests",
                    ["Operations__LeaseTime"] = "00:00:04",
                    ["Moves__MaxWritePauseMs"] = "20000",
                    ["Demo__Preset"] = "none",
                    ["Urls"] = "http://127.0.0.1:0",
                },
            },
        };
        child.Start();
        child.BeginOutputReadLine(); // a full pipe would stop it
        child.BeginErrorReadLine();
        return child;
    }
}
