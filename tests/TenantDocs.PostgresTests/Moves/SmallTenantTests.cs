using TenantDocs.Catalog;
using TenantDocs.Moves;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>Small tenants are held while they are copied where the operator wants that (<c>Moves:UnderFenceBytes</c>).</summary>
public sealed class SmallTenantTests(PostgresFixture postgres) : MoveSetting(postgres)
{
    private static readonly MoveRequest ToDatabase = new() { Isolation = IsolationModel.Database, Server = Second };

    protected override IReadOnlyDictionary<string, string?> Settings =>
        new Dictionary<string, string?>(base.Settings) { ["Moves:UnderFenceBytes"] = "1000000" };

    [Fact]
    public async Task A_small_tenant_is_held_while_it_is_copied_and_a_larger_one_is_streamed()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start(writers: 2, readers: 1);
        await workload.AdvanceAsync(20);

        var plan = (await Moves.PlanAsync(tenant.Slug, ToDatabase, CancellationToken.None)).Value;
        Assert.Equal(("underFence", 0), (plan.Method, plan.Blockers.Count));
        Assert.Contains("under-fence", plan.Notes.Select(n => n.Code));
        // Whose writes may wait for less, who wants to say the word, and who wants a way back, is streamed.
        foreach (
            var other in new[]
            {
                ToDatabase with
                {
                    MaxWritePauseMs = 100,
                },
                ToDatabase with
                {
                    AutoCutover = false,
                },
                ToDatabase with
                {
                    KeepSourceFor = TimeSpan.FromHours(2),
                },
            }
        )
        {
            Assert.Equal("online", (await Moves.PlanAsync(tenant.Slug, other, CancellationToken.None)).Value.Method);
        }

        var move = await MoveAsync(tenant, ToDatabase);
        Succeeded(move);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"writes waited {move.Result!.Value.GetProperty("writePauseMs")} ms"
        );
        Assert.False(move.Result!.Value.GetProperty("links").TryGetProperty("rollback", out _));
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        await NothingLeaksAsync();

        var larger = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await FillAsync(larger, megabytes: 2);
        Assert.Equal("online", (await Moves.PlanAsync(larger.Slug, ToDatabase, CancellationToken.None)).Value.Method);
    }
}
