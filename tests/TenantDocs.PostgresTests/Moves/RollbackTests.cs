using TenantDocs.Catalog;
using TenantDocs.Moves;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

public sealed class RollbackTests(PostgresFixture postgres) : MoveSetting(postgres)
{
    [Theory]
    [InlineData(IsolationModel.Shared, IsolationModel.Database)]
    [InlineData(IsolationModel.Database, IsolationModel.Shared)]
    public async Task A_move_is_taken_back_under_load_and_what_was_written_since_comes_along(
        IsolationModel from,
        IsolationModel to
    )
    {
        var tenant = await Platform.NewTenantAsync(from, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start();
        await workload.AdvanceAsync(50);
        var move = await MoveAsync(tenant, new MoveRequest { Isolation = to, Server = Second });
        Succeeded(move);
        await workload.AdvanceAsync(50);

        var rollback = await Moves.RollbackAsync(move.Id, "tests", CancellationToken.None);

        Assert.True(rollback.Error is null, rollback.Error?.Detail);
        Succeeded(await EndAsync(rollback.Value.Id));
        await workload.AdvanceAsync(50);
        await workload.JudgeAsync();
        var back = (await TenantAsync(tenant.Id)).Placement;
        Assert.Equal((from, First, 3), (back.Isolation, back.Server, back.Epoch));
        await OneHomeAsync(tenant.Id);
        await ClearedAsync(rollback.Value.Id);
        await NothingLeaksAsync();
    }

    [Fact]
    public async Task A_finalized_move_cannot_be_taken_back()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        var move = await MoveAsync(tenant, new MoveRequest { Isolation = IsolationModel.Schema });
        Succeeded(move);
        await FinalizeAsync(move.Id);

        var rollback = await Moves.RollbackAsync(move.Id, "tests", CancellationToken.None);

        Assert.Equal("rollback-unavailable", rollback.Error?.Code);
        await NothingLeaksAsync();
    }
}
