using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>The mover dies at every place; another worker ends what it began, forward or back, and nothing is lost.</summary>
public sealed class CrashTests(PostgresFixture postgres) : MoveSetting(postgres)
{
    private readonly TestFailPoints _failPoints = new();

    protected override IReadOnlyDictionary<string, string?> Settings =>
        new Dictionary<string, string?>(base.Settings) { ["Operations:LeaseTime"] = "00:00:04" };

    public static TheoryData<string> Places
    {
        get
        {
            var places = new TheoryData<string>();
            foreach (
                var step in new[]
                {
                    nameof(PlanStep),
                    nameof(PrepareStep),
                    nameof(CopyStep),
                    nameof(CatchUpStep),
                    nameof(VerifyStep),
                    nameof(ReadyStep),
                    nameof(CutoverStep),
                    nameof(ActivateStep),
                }
            )
            {
                places.Add($"move/{step}/{FailPlace.BeforeDo}");
                places.Add($"move/{step}/{FailPlace.AfterEffect}");
                places.Add($"move/{step}/{FailPlace.AfterWrite}");
            }

            foreach (var inside in new[] { "Barrier", "Copied", "Fenced", "Drained", "Left", "Arrived" })
            {
                places.Add($"move/{inside}");
            }

            return places;
        }
    }

    protected override void Configure(IServiceCollection services) => services.AddSingleton<FailPoints>(_failPoints);

    /// <summary>The four places at which what is right changes; all places are in the test below.</summary>
    [Theory]
    [InlineData("move/CopyStep/AfterEffect")]
    [InlineData("move/Fenced")]
    [InlineData("move/CutoverStep/AfterWrite")]
    [InlineData("move/Left")]
    public Task A_crash_at_a_turn_of_the_move_leaves_one_home_and_no_leftovers(string place) => CrashAsync(place);

    [Theory(Explicit = true)]
    [MemberData(nameof(Places))]
    public Task A_crash_there_leaves_one_home_and_no_leftovers(string place) => CrashAsync(place);

    private async Task CrashAsync(string place)
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start(writers: 2, readers: 1);
        await workload.AdvanceAsync(20);
        _failPoints.CrashAt(place);

        var move = await MoveAsync(tenant, new MoveRequest { Isolation = IsolationModel.Database, Server = Second });

        await workload.AdvanceAsync(20);
        // The last place is behind the write that ends the operation: the end may be seen before it is reached.
        Assert.Contains(place, _failPoints.Reached);
        await workload.JudgeAsync();
        await OneHomeAsync(tenant.Id);
        var home = (await TenantAsync(tenant.Id)).Placement;
        if (move.Status is OperationStatus.Succeeded)
        {
            Assert.Equal((IsolationModel.Database, Second, 2), (home.Isolation, home.Server, home.Epoch));
            await FinalizeAsync(move.Id);
        }
        else
        {
            // Only where writes were held already, and it goes back under a newer epoch.
            Assert.Equal((IsolationModel.Shared, First, 3), (home.Isolation, home.Server, home.Epoch));
            Assert.Contains("move-interrupted", move.Problem.ToString());
        }

        await NothingLeaksAsync();
        await NothingElsewhereAsync(tenant.Id);
    }

    [Theory(Explicit = true)]
    [InlineData("rollback/AdoptStep/AfterEffect")]
    [InlineData("rollback/VerifyStep/AfterEffect")]
    [InlineData("move/Fenced")]
    [InlineData("rollback/CutoverStep/AfterEffect")]
    [InlineData("rollback/CutoverStep/AfterWrite")]
    [InlineData("move/Left")]
    [InlineData("move/Arrived")]
    public async Task A_crash_during_a_rollback_leaves_one_home_and_no_leftovers(string place)
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Database, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start(writers: 2, readers: 1);
        await workload.AdvanceAsync(20);
        var move = await MoveAsync(tenant, new MoveRequest { Isolation = IsolationModel.Shared, Server = Second });
        Succeeded(move);
        _failPoints.CrashAt(place);

        var rollback = await Moves.RollbackAsync(move.Id, "tests", CancellationToken.None);

        Assert.True(rollback.Error is null, rollback.Error?.Detail);
        var ended = await EndAsync(rollback.Value.Id);
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        await OneHomeAsync(tenant.Id);
        if (ended.Status is OperationStatus.Succeeded)
        {
            Assert.Equal(First, (await TenantAsync(tenant.Id)).Placement.Server);
            await ClearedAsync(rollback.Value.Id);
        }
        else
        {
            // The way back stays open, and works.
            var again = await Moves.RollbackAsync(move.Id, "tests", CancellationToken.None);
            Assert.True(again.Error is null, again.Error?.Detail);
            Succeeded(await EndAsync(again.Value.Id));
            await ClearedAsync(again.Value.Id);
        }

        await OneHomeAsync(tenant.Id);
        await NothingLeaksAsync();
    }

    [Theory(Explicit = true)]
    [InlineData("move/Drained")]
    [InlineData("move/CutoverStep/AfterEffect")]
    public async Task A_mover_that_slept_through_an_abort_commits_nothing(string place)
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start(writers: 2, readers: 1);
        await workload.AdvanceAsync(20);
        var asleep = new TaskCompletionSource();
        var wake = new TaskCompletionSource();
        _failPoints.At(
            place,
            async () =>
            {
                asleep.SetResult();
                await wake.Task;
            }
        );
        var started = await Moves.StartAsync(
            tenant.Slug,
            new MoveRequest { Isolation = IsolationModel.Database, Server = Second },
            false,
            "tests",
            CancellationToken.None
        );
        await asleep.Task.WaitAsync(TimeSpan.FromMinutes(1), CancellationToken.None);

        // What the catalog does to a worker whose heartbeats do not come through: its token is not the newest any more.
        await ExecuteAsync(
            "UPDATE operations SET lease_token = lease_token + 1, lease_until = now() - interval '1 second' WHERE id = $1",
            started.Value.Operation.Id
        );
        var ended = await EndAsync(started.Value.Operation.Id);
        Assert.Equal(OperationStatus.Failed, ended.Status);
        wake.SetResult();
        await workload.AdvanceAsync(50);

        await workload.JudgeAsync();
        var home = (await TenantAsync(tenant.Id)).Placement;
        Assert.Equal((IsolationModel.Shared, First, 3), (home.Isolation, home.Server, home.Epoch));
        await OneHomeAsync(tenant.Id);
        await NothingLeaksAsync();
    }

    private async Task ExecuteAsync(string sql, Guid id)
    {
        await using var command = Platform.Catalog.Source.CreateCommand(sql);
        command.Parameters.Add(TenantDocs.Isolation.SqlValue.Of(id));
        await command.ExecuteNonQueryAsync();
    }
}
