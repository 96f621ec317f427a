using System.Globalization;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>The catalog's, the source's or the target's server is killed at every place of a move, and comes up again.</summary>
public sealed class ServerCrashTests(PostgresFixture postgres, OwnCluster cluster)
    : FaultSetting(postgres),
        IClassFixture<OwnCluster>
{
    private const string Catalog = "catalog";
    private const string Source = "source";
    private const string Target = "target";
    private const string InTheCopy = "in the copy";

    private readonly PostgresFixture _postgres = postgres;

    public static TheoryData<string, string> Places
    {
        get
        {
            var places = new TheoryData<string, string>();
            foreach (var server in new[] { Catalog, Source, Target })
            {
                places.Add(server, InTheCopy);
                foreach (
                    var step in new[]
                    {
                        nameof(PrepareStep),
                        nameof(CatchUpStep),
                        nameof(VerifyStep),
                        nameof(ReadyStep),
                        nameof(CutoverStep),
                        nameof(ActivateStep),
                    }
                )
                {
                    places.Add(server, $"move/{step}/{FailPlace.BeforeDo}");
                }

                foreach (var inside in new[] { "Narrowing", "Fenced", "Drained", "Left", "Opened", "Arrived" })
                {
                    places.Add(server, $"move/{inside}");
                }
            }

            return places;
        }
    }

    [Theory]
    [InlineData(Source, InTheCopy)]
    [InlineData(Source, "move/CatchUpStep/BeforeDo")]
    [InlineData(Target, "move/Opened")]
    [InlineData(Source, "move/Arrived")]
    [InlineData(Catalog, "move/Fenced")]
    public Task A_server_that_is_killed_costs_no_acknowledged_write(string server, string place) =>
        CrashAsync(server, place);

    [Theory(Explicit = true)]
    [MemberData(nameof(Places))]
    public Task A_server_that_is_killed_there_costs_no_acknowledged_write(string server, string place) =>
        CrashAsync(server, place);

    private async Task CrashAsync(string server, string place)
    {
        await StartWithAsync(server);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var killed = Task.CompletedTask;
        if (place == InTheCopy)
        {
            killed = InTheCopyAsync(tenant, cluster.KillAsync);
        }
        else
        {
            FailPoints.At(place, cluster.KillAsync);
        }

        var move = await MoveUnderOutageAsync(tenant);

        await killed;
        Assert.Contains(place == InTheCopy ? "move/Barrier" : place, FailPoints.Reached);
        await cluster.BackAsync();
        if (move.Status is not OperationStatus.Succeeded)
        {
            Assert.Contains("\"code\"", move.Problem.ToString());
        }

        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{server}, {place}: {move.Status} in {move.Phase}; {move.Problem}; {workload.Survived} faults survived, "
                + $"longest request {workload.LongestMs:f0} ms"
        );
        await JudgeAsync(workload, move);
    }

    /// <summary>
    /// The target opens without waiting for its disk. Nobody wrote there yet, so its crash takes the opening back; the move
    /// opens it again, and the way back counts from there.
    /// </summary>
    [Fact]
    public async Task A_target_that_forgot_its_opening_is_opened_again()
    {
        await StartWithAsync(Target);
        // A server may write its log by itself in between, and forgets nothing then: so another tenant is tried, twice.
        string? found = null;
        for (var attempt = 0; attempt < 3 && found != "importing"; attempt++)
        {
            found = await CrashAfterOpeningAsync();
        }

        Assert.Equal("importing", found);
    }

    // A whole move whose target crashes when it has opened, and its rollback; returns the state in which the target came up.
    private async Task<string?> CrashAfterOpeningAsync()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var id = await WaitingAsync(tenant, ToDatabase);
        await workload.StopAsync();
        var target = Platform.Get<Isolations>()[IsolationModel.Database].PlaceFor(tenant.Id, Second, 2);
        (string State, long Epoch)? opened = null;
        (string State, long Epoch)? found = null;
        FailPoints.At(
            "move/Opened",
            async () =>
            {
                opened = await FenceAsync(target, tenant.Id);
                await cluster.KillAsync();
                await cluster.BackAsync();
                found = await FenceAsync(target, tenant.Id);
            }
        );

        Assert.Null((await Moves.CutoverAsync(id, CancellationToken.None)).Error);
        var move = await EndAsync(id);

        Succeeded(move);
        Assert.Equal(("active", 2), opened);
        await workload.Start(writers: 2, readers: 1).AdvanceAsync(50);
        var back = await RolledBackAsync(move);
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        await OneHomeAsync(tenant.Id);
        Assert.Equal(First, (await TenantAsync(tenant.Id)).Placement.Server);
        await ClearedAsync(back.Id);
        await CleanAsync(tenant.Id);
        return found?.State;
    }

    [Theory]
    [InlineData(Source)]
    [InlineData(Target)]
    public async Task A_server_that_is_killed_while_the_left_home_is_kept_leaves_the_way_back_open(string server)
    {
        await StartWithAsync(server);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var move = await MoveAsync(tenant, ToDatabase);
        Succeeded(move);
        await workload.AdvanceAsync(20);

        await cluster.KillAsync();

        await cluster.BackAsync();
        await workload.AdvanceAsync(50);
        var back = await RolledBackAsync(move);
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        await OneHomeAsync(tenant.Id);
        Assert.Equal(First, (await TenantAsync(tenant.Id)).Placement.Server);
        await ClearedAsync(back.Id);
        await CleanAsync(tenant.Id);
    }

    /// <summary>One process of a server stands still for seconds: the one that sends the stream, those that apply it.</summary>
    [Theory(Explicit = true)]
    [InlineData(Source, "walsender")]
    [InlineData(Target, "client backend")]
    public async Task A_process_of_a_server_that_stands_still_only_delays_the_move(string server, string kind)
    {
        await StartWithAsync(server);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var frozen = Task.FromResult(0);
        FailPoints.At(
            $"move/{nameof(CatchUpStep)}/{FailPlace.BeforeDo}",
            () =>
            {
                frozen = Task.Run(() => FreezeAsync(server == Source ? First : Second, kind));
                return Task.CompletedTask;
            }
        );

        var move = await MoveAsync(tenant, ToDatabase);

        Assert.True(await frozen > 0, "No process was stopped.");
        Succeeded(move);
        await JudgeAsync(workload, move);
    }

    private async Task<int> FreezeAsync(string server, string kind)
    {
        var processes = new List<string>();
        await UntilAsync(
            "the mover has connected",
            async () =>
            {
                processes = await ListAsync(
                    server,
                    "postgres",
                    $"""
                    SELECT pid::text FROM pg_stat_activity
                     WHERE backend_type = '{kind}' AND starts_with(application_name, 'tenantdocs-move ')
                    """
                );
                return processes.Count > 0;
            }
        );
        var stopped = processes.Select(p => int.Parse(p, CultureInfo.InvariantCulture)).ToList();
        stopped.ForEach(p => Signal("STOP", p));
        // How long they stand still is the fault itself.
        await Task.Delay(TimeSpan.FromSeconds(4));
        stopped.ForEach(p => Signal("CONT", p));
        return stopped.Count;
    }

    private async Task<Operation> RolledBackAsync(Operation move)
    {
        var rollback = await Moves.RollbackAsync(move.Id, "tests", CancellationToken.None);
        Assert.True(rollback.Error is null, rollback.Error?.Detail);
        var ended = await EndAsync(rollback.Value.Id);
        Succeeded(ended);
        return ended;
    }

    // The one who waits asks the catalog, too, which may be the server that is down.
    private async Task<Operation> MoveUnderOutageAsync(Tenant tenant)
    {
        var id = await BeginAsync(tenant);
        Operation? ended = null;
        await UntilAsync(
            "the move ends",
            async () =>
            {
                try
                {
                    ended = await Requests.FindAsync(id, CancellationToken.None);
                    return ended is { IsFinished: true };
                }
                catch (Npgsql.NpgsqlException)
                {
                    return false;
                }
            }
        );
        return ended!;
    }

    private async Task StartWithAsync(string mortal)
    {
        var (own, one, two) = (
            await cluster.ConnectionString(),
            await _postgres.ServerConnectionString(0),
            await _postgres.ServerConnectionString(1)
        );
        await StartAsync(mortal == Catalog ? own : one, mortal == Source ? own : one, mortal == Target ? own : two);
    }
}
