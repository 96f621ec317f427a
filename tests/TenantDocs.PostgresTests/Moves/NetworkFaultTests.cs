using System.Diagnostics;
using System.Text;
using TenantDocs.Catalog;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>The network between the mover and one of the servers, or the catalog, breaks, is silent or is slow; the tenant's own does not.</summary>
public sealed class NetworkFaultTests(PostgresFixture postgres) : FaultSetting(postgres)
{
    private const string Source = "source";
    private const string Target = "target";
    private const string Catalog = "catalog";

    private readonly PostgresFixture _postgres = postgres;
    private PostgresProxy? _proxy;

    private PostgresProxy Network => _proxy ?? throw new InvalidOperationException("Not started.");

    public override async ValueTask DisposeAsync()
    {
        _proxy?.Release();
        await base.DisposeAsync();
        if (_proxy is not null)
        {
            await _proxy.DisposeAsync();
        }
    }

    [Theory]
    [InlineData(Source)]
    [InlineData(Target)]
    public async Task Connections_that_are_cut_in_the_copy_cost_another_attempt(string side)
    {
        await StartBehindAsync(side);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var cut = InTheCopyAsync(
            tenant,
            () =>
            {
                Network.Cut();
                return Task.CompletedTask;
            }
        );

        var move = await MoveAsync(tenant, ToDatabase);

        await cut;
        Succeeded(move);
        Assert.True(Network.Struck > 0 && FailPoints.Reached.Count(p => p == "move/Barrier") > 1, "Nothing was cut.");
        await EndWellAsync(workload, move);
    }

    /// <summary>Bytes go in and none comes out, for longer than the mover bears: it gives up by itself.</summary>
    [Theory]
    [InlineData(Target)]
    [InlineData(Source, Explicit = true)]
    public async Task A_copy_that_stands_still_is_given_up_and_the_source_serves_meanwhile(string side)
    {
        OwnSettings["Moves:SilenceLimit"] = "00:00:03";
        await StartBehindAsync(side);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var silent = InTheCopyAsync(
            tenant,
            () =>
            {
                Network.Hold();
                return Task.CompletedTask;
            }
        );
        var started = await BeginAsync(tenant);
        await silent;
        await workload.AdvanceAsync(100);

        await GivenUpAsync(started, side);

        Network.Release();
        var move = await EndAsync(started);
        Assert.Equal(OperationStatus.Failed, move.Status);
        Assert.Contains("move-aborted", move.Problem.ToString());
        Assert.Contains("stood still", move.Problem.ToString());
        await EndWellAsync(workload, move);
    }

    [Theory(Explicit = true)]
    [InlineData(Source)]
    [InlineData(Target)]
    public async Task A_stream_that_stands_still_is_given_up_and_the_source_serves_meanwhile(string side)
    {
        OwnSettings["Moves:Patience"] = "00:00:06";
        OwnSettings["Moves:SilenceLimit"] = "00:00:05";
        await StartBehindAsync(side);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        FailPoints.At(
            $"move/{nameof(CatchUpStep)}/{FailPlace.BeforeDo}",
            () =>
            {
                Network.Hold();
                return Task.CompletedTask;
            }
        );
        var started = await BeginAsync(tenant);
        await UntilAsync("the network is silent", () => Task.FromResult(Network.Struck > 0));
        await workload.AdvanceAsync(100);

        await GivenUpAsync(started, side);

        Network.Release();
        var move = await EndAsync(started);
        Assert.Equal(OperationStatus.Failed, move.Status);
        await EndWellAsync(workload, move);
    }

    [Theory(Explicit = true)]
    [InlineData(Source, "")]
    [InlineData(Target, "")]
    [InlineData(Source, "move/CatchUpStep/BeforeDo")]
    [InlineData(Target, "move/CatchUpStep/BeforeDo")]
    [InlineData(Source, "move/VerifyStep/BeforeDo")]
    [InlineData(Target, "move/VerifyStep/BeforeDo")]
    [InlineData(Target, "move/ReadyStep/BeforeDo")]
    public async Task A_network_that_is_silent_for_some_seconds_only_delays_the_move(string side, string place)
    {
        await StartBehindAsync(side);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var silent = Task.CompletedTask;
        if (place.Length == 0)
        {
            silent = InTheCopyAsync(tenant, SilenceAsync);
        }
        else
        {
            FailPoints.At(
                place,
                () =>
                {
                    silent = Task.Run(SilenceAsync);
                    return Task.CompletedTask;
                }
            );
        }

        var move = await MoveAsync(tenant, ToDatabase);

        await silent;
        Succeeded(move);
        Assert.True(Network.Struck > 0, "Nothing was held.");
        await EndWellAsync(workload, move);

        async Task SilenceAsync()
        {
            Network.Hold();
            var since = Stopwatch.GetTimestamp();
            await workload.AdvanceAsync(100);
            // The length of the silence is the fault itself.
            await Task.Delay(
                TimeSpan.FromSeconds(4) - Stopwatch.GetElapsedTime(since) is { Ticks: > 0 } rest ? rest : default
            );
            Network.Release();
        }
    }

    /// <summary>The mover is cut off while it has the tenant's exclusive lock: the server takes the lock back.</summary>
    [Fact]
    public async Task A_mover_that_is_cut_off_at_its_barrier_does_not_hold_the_writers_up()
    {
        await StartBehindAsync(Source);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var silent = Network.HoldBehindAsync(Encoding.UTF8.GetBytes("pg_export_snapshot"));
        var started = await BeginAsync(tenant);
        await silent;

        await workload.AdvanceAsync(100);

        Network.Release();
        await EndWellAsync(workload, await EndAsync(started));
        Assert.True(workload.LongestMs > 500, "The lock was not held when the network broke: nothing was proved.");
    }

    /// <summary>The fence stands, and the mover does not hear of it: the budget of the pause counts all the same.</summary>
    [Fact]
    public async Task A_fence_whose_answer_does_not_come_is_taken_back()
    {
        OwnSettings["Moves:MaxWritePauseMs"] = "5000";
        await StartBehindAsync(Source);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var started = await WaitingAsync(tenant, ToDatabase);
        var silent = Task.CompletedTask;
        FailPoints.At(
            $"move/{nameof(CutoverStep)}/{FailPlace.BeforeDo}",
            () =>
            {
                // Of what the mover sends the source from here on, the fence is the first that names the tenant in binary form.
                silent = Network.HoldBehindAsync(tenant.Id.Value.ToByteArray(bigEndian: true));
                return Task.CompletedTask;
            }
        );
        Assert.Null((await Moves.CutoverAsync(started, CancellationToken.None)).Error);
        await UntilAsync("the switch begins", () => Task.FromResult(Network.IsSilent));
        await silent;

        await UntilAsync(
            "the move is taken back",
            async () => await Requests.FindAsync(started, CancellationToken.None) is { Undoing: true }
        );

        Network.Release();
        var move = await EndAsync(started);
        Assert.Equal(OperationStatus.Failed, move.Status);
        Assert.Contains("maxWritePauseMs", move.Problem.ToString());
        await EndWellAsync(workload, move);
    }

    /// <summary>Heartbeats are neither taken nor refused: somebody else may have the move by then, so its holder lets go.</summary>
    [Theory]
    [InlineData("move/Barrier")]
    [InlineData("move/CatchUpStep/BeforeDo", Explicit = true)]
    [InlineData("move/VerifyStep/BeforeDo", Explicit = true)]
    public async Task A_catalog_that_is_silent_for_a_lease_ends_it_and_the_move_goes_on_when_it_answers(string place)
    {
        OwnSettings["Operations:LeaseTime"] = "00:00:04";
        await StartBehindAsync(Catalog);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        IReadOnlyList<string> movers = [];
        FailPoints.At(
            place,
            async () =>
            {
                movers = await MoversAsync();
                Network.Hold();
            }
        );
        var started = await BeginAsync(tenant);
        await UntilAsync("the catalog is silent", () => Task.FromResult(Network.IsSilent));
        Assert.NotEmpty(movers);

        await UntilAsync("the mover has let go of both servers", async () => await MoversAsync() is []);
        await workload.AdvanceAsync(100);

        Network.Release();
        var move = await EndAsync(started);
        // What was sent before the silence may arrive after it, and counts where nobody else had the move yet.
        Succeeded(move);
        await EndWellAsync(workload, move);
    }

    [Theory]
    [InlineData(Target, 5)]
    [InlineData(Source, 5, Explicit = true)]
    [InlineData(Target, 30, Explicit = true)]
    public async Task A_slow_network_only_delays_the_move(string side, int milliseconds)
    {
        await StartBehindAsync(side);
        Network.Latency = TimeSpan.FromMilliseconds(milliseconds);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);

        var move = await MoveAsync(tenant, ToDatabase);

        Succeeded(move);
        await EndWellAsync(workload, move);
    }

    // With the space: a pool is called tenantdocs-mover.
    private async Task<IReadOnlyList<string>> MoversAsync()
    {
        var sql = $"""
            SELECT pid::text FROM pg_stat_activity
             WHERE starts_with(application_name, 'tenantdocs-move ') AND starts_with(datname, '{Prefix}_')
            """;
        return [.. await ListAsync(First, "postgres", sql), .. await ListAsync(Second, "postgres", sql)];
    }

    private async Task EndWellAsync(Workload workload, Operation move)
    {
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{move.Status} in {move.Phase}; {move.Problem}; longest request {workload.LongestMs:f0} ms"
        );
        await JudgeAsync(workload, move);
        Assert.Equal(0, workload.Survived); // its own connections were never touched
    }

    // To give a move up, the mover says so to the source: it tries until it gets there.
    private Task GivenUpAsync(Guid id, string side) =>
        UntilAsync(
            "the move is given up",
            async () =>
                await Requests.FindAsync(id, CancellationToken.None) is var now
                && (side == Source ? now!.Undoing : now!.IsFinished)
        );

    private async Task StartBehindAsync(string side)
    {
        var (one, two) = (await _postgres.ServerConnectionString(0), await _postgres.ServerConnectionString(1));
        _proxy = new PostgresProxy(
            side == Target ? two : one,
            name => side == Catalog || name.StartsWith("tenantdocs-move", StringComparison.Ordinal)
        );
        await StartAsync(
            side == Catalog ? _proxy.ConnectionString : one,
            side == Source ? _proxy.ConnectionString : one,
            side == Target ? _proxy.ConnectionString : two
        );
    }
}
