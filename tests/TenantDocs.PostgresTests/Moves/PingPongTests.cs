using TenantDocs.Catalog;
using TenantDocs.Moves;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>There, back, there again, under load: the same places again and again.</summary>
public sealed class PingPongTests(PostgresFixture postgres, ITestOutputHelper output) : MoveSetting(postgres)
{
    [Fact(Explicit = true)]
    public Task A_tenant_goes_there_and_back_a_few_times() => GoAsync(3);

    [Fact(Explicit = true)]
    [Trait("Category", "Soak")]
    public Task A_tenant_goes_there_and_back_fifty_times() => GoAsync(SoakMoves);

    // The soak runs where somebody asks for it: it takes a quarter of an hour.
    private static int SoakMoves =>
        Environment.GetEnvironmentVariable("TENANTDOCS_TEST_SOAK") is { Length: > 0 } ? 50 : 1;

    private async Task GoAsync(int rounds)
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start(writers: 3, readers: 2);
        var last = Guid.Empty;
        var pauses = new List<double>();
        for (var i = 0; i < rounds; i++)
        {
            await workload.AdvanceAsync(20);
            var there = i % 2 == 0;
            var move = await MoveAsync(
                await TenantAsync(tenant.Id),
                new MoveRequest
                {
                    Isolation = there ? IsolationModel.Database : IsolationModel.Shared,
                    Server = there ? Second : First,
                }
            );
            Succeeded(move);
            pauses.Add(move.Result!.Value.GetProperty("writePauseMs").GetDouble());
            last = move.Id;
            if (i % 3 == 2)
            {
                await workload.AdvanceAsync(20);
                var rollback = await Moves.RollbackAsync(move.Id, "tests", CancellationToken.None);
                Assert.True(rollback.Error is null, rollback.Error?.Detail);
                Succeeded(await EndAsync(rollback.Value.Id));
                await ClearedAsync(rollback.Value.Id);
                last = Guid.Empty;
            }
        }

        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        await OneHomeAsync(tenant.Id);
        if (last != Guid.Empty)
        {
            await FinalizeAsync(last);
        }

        await NothingLeaksAsync();
        output.WriteLine($"pauses ms: {string.Join(' ', pauses.Order())}; acknowledged {workload.Acknowledged}");
    }
}
