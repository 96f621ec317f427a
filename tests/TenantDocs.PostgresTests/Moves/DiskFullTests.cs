using TenantDocs.Catalog;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>The target's disk is full in the middle of a move.</summary>
public sealed class DiskFullTests(PostgresFixture postgres, OwnCluster cluster)
    : FaultSetting(postgres),
        IClassFixture<OwnCluster>
{
    private const string Rows = "base";
    private const long Little = 2 << 20;

    private readonly PostgresFixture _postgres = postgres;

    [Theory]
    [InlineData("move/Barrier")]
    [InlineData("move/CatchUpStep/BeforeDo", Explicit = true)]
    public async Task A_full_disk_of_the_target_ends_the_move_and_the_source_serves_on(string place)
    {
        if (await cluster.PutOnOwnDiskAsync(Rows) is { } reason)
        {
            Assert.Skip(reason);
        }

        var one = await _postgres.ServerConnectionString(0);
        await StartAsync(one, one, await cluster.ConnectionString());
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var inTheCopy = place == "move/Barrier";
        if (inTheCopy)
        {
            await FillAsync(tenant, 40);
        }

        FailPoints.At(
            place,
            async () =>
            {
                await cluster.LeaveRoomAsync(Little);
                if (!inTheCopy)
                {
                    await FillAsync(tenant, 8);
                }
            }
        );

        var move = await MoveAsync(tenant, ToDatabase);

        Assert.Contains(place, FailPoints.Reached);
        Assert.True(move.Status is OperationStatus.Failed, $"{move.Status} in {move.Phase}: {move.Problem}");
        Assert.Contains("move-aborted", move.Problem.ToString());
        Assert.Contains($"The disk of the server '{Second}' is full.", move.Problem.ToString());

        Assert.Equal(First, (await TenantAsync(tenant.Id)).Placement.Server);
        await workload.AdvanceAsync(50);
        Assert.Equal(0, workload.Survived);
        await cluster.GiveRoomAsync();
        await cluster.UpAsync();
        await CleanAsync(tenant.Id);
        await OneHomeAsync(tenant.Id);
        // And the control: with room, the same move goes through.
        var again = await MoveAsync(await TenantAsync(tenant.Id), ToDatabase);
        Succeeded(again);
        await JudgeAsync(workload, again);
    }
}
