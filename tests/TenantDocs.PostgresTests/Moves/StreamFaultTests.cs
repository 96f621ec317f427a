using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;
using TenantDocs.Provisioning;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>What happens between two answers: a batch that nobody knows the end of, a worker that comes back too late.</summary>
public sealed class StreamFaultTests(PostgresFixture postgres) : FaultSetting(postgres)
{
    private readonly PostgresFixture _postgres = postgres;

    public override async ValueTask InitializeAsync()
    {
        var one = await _postgres.ServerConnectionString(0);
        await StartAsync(one, one, await _postgres.ServerConnectionString(1));
    }

    [Fact]
    public async Task A_batch_that_was_committed_and_not_acknowledged_comes_again_and_is_applied_once()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var broken = 0;
        BreakAfterABatch();

        var move = await MoveAsync(tenant, ToDatabase);

        Assert.Equal(3, broken);
        Succeeded(move);
        Assert.True(move.Result!.Value.GetProperty("verification").GetProperty("equal").GetBoolean());
        await JudgeAsync(workload, move);

        // Three times, so that one of them meets the stream while all that it applied is noted for the comparison.
        void BreakAfterABatch() =>
            FailPoints.At(
                "move/Applied",
                () =>
                {
                    if (++broken < 3)
                    {
                        BreakAfterABatch();
                    }

                    throw new IOException("The answer was lost.");
                }
            );
    }

    /// <summary>A worker that slept longer than its lease: the tenant has come back to what it was to remove.</summary>
    [Theory]
    [InlineData(IsolationModel.Shared)]
    [InlineData(IsolationModel.Schema)]
    [InlineData(IsolationModel.Database)]
    public async Task A_home_that_serves_its_tenant_is_not_removed_as_one_that_was_left(IsolationModel model)
    {
        var tenant = await Platform.NewTenantAsync(model, server: First);
        await using var workload = await WorkAsync(tenant);
        var home = OperationObject.HomeOf(tenant.Id, tenant.Placement);
        var homes = Platform.Get<TenantHomes>();

        var refused = await Assert.ThrowsAsync<Npgsql.PostgresException>(() =>
            homes.RemoveLeftAsync(home, tenant.Id, CancellationToken.None)
        );

        Assert.Equal(TenantSqlState.ServedHere, refused.SqlState);
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        // The control: once the tenant has left it, it is removed.
        var to = model is IsolationModel.Database ? IsolationModel.Shared : IsolationModel.Database;
        var move = await MoveAsync(tenant, new MoveRequest { Isolation = to, Server = Second });
        Succeeded(move);
        await FinalizeAsync(move.Id);
        await homes.RemoveLeftAsync(home, tenant.Id, CancellationToken.None);
        await CleanAsync(tenant.Id);
    }
}
