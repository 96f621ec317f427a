using TenantDocs.Catalog;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.LocalPostgres;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>A source whose <c>wal_level</c> is not <c>logical</c>: the tenant's writes are held while it is copied.</summary>
public sealed class WalLevelTests(PostgresFixture postgres, OwnCluster cluster)
    : FaultSetting(postgres),
        IClassFixture<OwnCluster>
{
    private readonly PostgresFixture _postgres = postgres;

    [Fact]
    public async Task A_source_that_cannot_stream_is_copied_while_writes_are_held_or_refused_where_that_is_too_long()
    {
        var own = await cluster.ConnectionString();
        await LocalFolder.AskAsync(own, "ALTER SYSTEM SET wal_level = 'replica'");
        await cluster.KillAsync();
        await cluster.BackAsync();
        Assert.Equal("replica", await LocalFolder.AskAsync(own, "SHOW wal_level"));
        await StartAsync(await _postgres.ServerConnectionString(0), own, await _postgres.ServerConnectionString(1));
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);

        var plan = (await Moves.PlanAsync(tenant.Slug, ToDatabase, CancellationToken.None)).Value;
        Assert.Equal(("underFence", 0), (plan.Method, plan.Blockers.Count));
        Assert.Equal(["wal-level", "no-way-back"], plan.Notes.Select(n => n.Code).Where(c => c != "collation"));

        var hasty = await MoveAsync(tenant, ToDatabase with { MaxWritePauseMs = 200 });
        Assert.Equal(OperationStatus.Failed, hasty.Status);
        Assert.Equal("wal-level", hasty.Problem!.Value.GetProperty("code").GetString());

        var move = await MoveAsync(tenant, ToDatabase);
        Succeeded(move);
        var result = move.Result!.Value;
        Assert.True(result.GetProperty("verification").GetProperty("equal").GetBoolean());
        Assert.False(result.GetProperty("links").TryGetProperty("rollback", out _));
        Assert.True(result.GetProperty("links").TryGetProperty("finalize", out _));
        var back = await Moves.RollbackAsync(move.Id, "tests", CancellationToken.None);
        Assert.Equal("rollback-unavailable", back.Error?.Code);
        await JudgeAsync(workload, move);
    }
}
