using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>Moves and rollbacks that somebody gives up before they have begun.</summary>
public sealed class GivenUpTests(PostgresFixture postgres) : MoveSetting(postgres)
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private readonly TestFailPoints _failPoints = new();

    protected override void Configure(IServiceCollection services) => services.AddSingleton<FailPoints>(_failPoints);

    [Fact]
    public async Task A_rollback_that_is_cancelled_before_its_first_step_leaves_the_way_back_open()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Schema, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start(writers: 2, readers: 1);
        await workload.AdvanceAsync(20);
        var move = await MoveAsync(tenant, new MoveRequest { Isolation = IsolationModel.Shared });
        Succeeded(move);
        var asked = CancelBefore(nameof(AdoptStep), RollbackOperation.TypeName);

        var given = await Moves.RollbackAsync(move.Id, "tests", Never);
        asked.SetResult(given.Value.Id);

        Assert.Equal(OperationStatus.Cancelled, (await EndAsync(given.Value.Id)).Status);
        var kept = await Retention.FindAsync(Platform.Catalog, Requests, move.Id, Never);
        var until = kept!.InputAs<RetentionInput>().KeptUntil;
        Assert.InRange(until - move.FinishedAt!.Value, TimeSpan.FromMinutes(59), TimeSpan.FromMinutes(61));
        // And it is one: the same request, not cancelled.
        var rollback = await Moves.RollbackAsync(move.Id, "tests", Never);
        Assert.True(rollback.Error is null, rollback.Error?.Detail);
        Succeeded(await EndAsync(rollback.Value.Id));
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        Assert.Equal(IsolationModel.Schema, (await TenantAsync(tenant.Id)).Placement.Isolation);
        await ClearedAsync(rollback.Value.Id);
        await NothingLeaksAsync();
        await NothingElsewhereAsync(tenant.Id);
    }

    [Fact]
    public async Task A_move_that_is_cancelled_before_anything_is_made_raises_the_epoch_too()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start(writers: 2, readers: 1);
        await workload.AdvanceAsync(20);
        var asked = CancelBefore(nameof(PlanStep), MoveOperation.TypeName);

        var started = await Moves.StartAsync(
            tenant.Slug,
            new MoveRequest { Isolation = IsolationModel.Database, Server = Second },
            false,
            "tests",
            Never
        );
        asked.SetResult(started.Value.Operation.Id);

        Assert.Equal(OperationStatus.Cancelled, (await EndAsync(started.Value.Operation.Id)).Status);
        var now = (await TenantAsync(tenant.Id)).Placement;
        Assert.Equal((IsolationModel.Shared, First), (now.Isolation, now.Server));
        Assert.True(now.Epoch > tenant.Placement.Epoch);
        Assert.Equal("invalid-state", (await SwitchedAsync(tenant))?.Code);
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        await OneHomeAsync(tenant.Id);
        await NothingLeaksAsync();
        await NothingElsewhereAsync(tenant.Id);
    }

    // What the switch of a move that is being taken back is answered.
    private async Task<Error?> SwitchedAsync(Tenant tenant)
    {
        var move = await WaitingAsync(tenant, new MoveRequest { Isolation = IsolationModel.Schema });
        var answer = new TaskCompletionSource<Error?>();
        _failPoints.At(
            $"{MoveOperation.TypeName}/{nameof(PrepareStep)}/{FailPlace.BeforeUndo}",
            async () => answer.SetResult((await Moves.CutoverAsync(move, Never)).Error)
        );
        Assert.Null((await Moves.CancelAsync(move, Never)).Error);
        Assert.Equal(OperationStatus.Cancelled, (await EndAsync(move)).Status);
        return await answer.Task;
    }

    // The worker is gone before the step, and the next one finds that somebody has cancelled.
    private TaskCompletionSource<Guid> CancelBefore(string step, string type)
    {
        var asked = new TaskCompletionSource<Guid>();
        _failPoints.At(
            $"{type}/{step}/{FailPlace.BeforeDo}",
            async () =>
            {
                Assert.Null((await Requests.CancelAsync(await asked.Task, Never)).Error);
                throw new LeaseLostException();
            }
        );
        return asked;
    }
}
