using System.Diagnostics;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
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

    [Theory]
    [InlineData("prepared", Explicit = true)]
    [InlineData("copying")]
    [InlineData("verifying", Explicit = true)]
    [InlineData("ready", Explicit = true)]
    [InlineData("fenced")]
    [InlineData("active", Explicit = true)]
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

    /// <summary>
    /// The process stops (SIGSTOP) while it holds the tenant's writes, for longer than its lease; another one takes the move
    /// back. When the first goes on, it finds that it may write nothing.
    /// </summary>
    [Fact(Explicit = true)]
    public async Task A_mover_that_is_stopped_beyond_its_lease_commits_nothing_when_it_goes_on()
    {
        var toDatabase = new MoveRequest { Isolation = IsolationModel.Database, Server = Second };
        using var first = await StartHostAsync();
        Process? second = null;
        try
        {
            var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
            await using var workload = new Workload(Platform, tenant.Id).Start(writers: 2, readers: 1);
            await workload.AdvanceAsync(20);
            var id = await WaitingAsync(tenant, toDatabase);
            await using (var holder = await Platform.Catalog.Source.OpenConnectionAsync(CancellationToken.None))
            {
                await using var transaction = await holder.BeginTransactionAsync(CancellationToken.None);
                await using (var writer = await Platform.OpenAsync(tenant, SessionRole.App))
                {
                    // A transaction of the tenant keeps the fence away until the test holds what the commit needs.
                    await using var writing = await writer.BeginTransactionAsync(CancellationToken.None);
                    await ExecuteAsync(writer, "SELECT tenantdocs.enter_write($1, $2)", tenant, tenant.Placement.Epoch);
                    Assert.Null((await Moves.CutoverAsync(id, CancellationToken.None)).Error);
                    await ReachAsync((await Requests.FindAsync(id, CancellationToken.None))!, "fenced", first);
                    await ExecuteAsync(holder, "SELECT FROM placements WHERE tenant_id = $1 FOR UPDATE", tenant);
                    await writing.CommitAsync(CancellationToken.None);
                }

                await HeldAsync(tenant);
                Signal("STOP", first);
            }

            second = await StartHostAsync();
            var move = await EndAsync(id);
            Assert.Equal(OperationStatus.Failed, move.Status);
            Assert.Contains("move-interrupted", move.Problem.ToString());
            Signal("CONT", first);

            await workload.AdvanceAsync(100);
            second.Kill();
            await second.WaitForExitAsync(CancellationToken.None);
            // The first lives, and works: the next move is its own. What it did not do before, it does not do now.
            await workload.AdvanceAsync(20);
            Assert.Equal((First, 3L), await PlaceAsync(tenant));
            await OneHomeAsync(tenant.Id);
            var again = await MoveAsync(await TenantAsync(tenant.Id), toDatabase);
            Succeeded(again);
            await workload.AdvanceAsync(20);
            await workload.JudgeAsync();
            await OneHomeAsync(tenant.Id);
            await FinalizeAsync(again.Id);
            await NothingLeaksAsync();
        }
        finally
        {
            first.Kill();
            await first.WaitForExitAsync(CancellationToken.None);
            if (second is { HasExited: false })
            {
                second.Kill();
                await second.WaitForExitAsync(CancellationToken.None);
            }

            second?.Dispose();
        }
    }

    private async Task<(string Server, long Epoch)> PlaceAsync(Tenant tenant)
    {
        var place = (await TenantAsync(tenant.Id)).Placement;
        return (place.Server, place.Epoch);
    }

    // Until the source is fenced, and the switch in the catalog waits for the row that the test holds.
    private async Task HeldAsync(Tenant tenant)
    {
        const string waiting = """
            SELECT pid::text FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%UPDATE placements%'
            """;
        var since = Stopwatch.GetTimestamp();
        while (
            await FenceAsync(tenant.Placement, tenant.Id) is not { State: "write_fenced" }
            || await ListAsync(First, Platform.Get<DatabaseNames>().Catalog.Name, waiting) is []
        )
        {
            Assert.True(Stopwatch.GetElapsedTime(since) < TimeSpan.FromMinutes(1), "The switch was not begun.");
            await Task.Delay(20);
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, Tenant tenant, long? epoch = null)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.Add(SqlValue.Of(tenant.Id.Value));
        if (epoch is { } number)
        {
            command.Parameters.Add(SqlValue.Of(number));
        }

        await command.ExecuteNonQueryAsync(CancellationToken.None);
    }

    private static void Signal(string name, Process process)
    {
        using var kill = Process.Start("kill", [$"-{name}", $"{process.Id}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
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
