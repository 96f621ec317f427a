using TenantDocs.Catalog;
using TenantDocs.Moves;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

public sealed class DirectionTests(PostgresFixture postgres, ITestOutputHelper output) : MoveSetting(postgres)
{
    public static TheoryData<IsolationModel, IsolationModel, string> Directions
    {
        get
        {
            var all = new TheoryData<IsolationModel, IsolationModel, string>();
            foreach (var from in Enum.GetValues<IsolationModel>())
            {
                foreach (var to in Enum.GetValues<IsolationModel>())
                {
                    all.Add(from, to, Second);
                    if (from != to)
                    {
                        all.Add(from, to, First);
                    }
                }
            }

            return all;
        }
    }

    [Theory(Explicit = true)]
    [MemberData(nameof(Directions))]
    public async Task A_tenant_moves_while_it_is_written_to_and_nothing_is_lost_doubled_or_failed(
        IsolationModel from,
        IsolationModel to,
        string server
    )
    {
        var tenant = await Platform.NewTenantAsync(from, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start();
        await workload.AdvanceAsync(100);

        var move = await MoveAsync(tenant, new MoveRequest { Isolation = to, Server = server });

        Succeeded(move);
        await workload.AdvanceAsync(100);
        await workload.JudgeAsync();
        var moved = await TenantAsync(tenant.Id);
        Assert.Equal((to, server, 2), (moved.Placement.Isolation, moved.Placement.Server, moved.Placement.Epoch));
        await OneHomeAsync(tenant.Id);
        var result = move.Result!.Value;
        output.WriteLine($"{from} to {to} on {server}: {result.GetRawText()}; longest {workload.LongestMs:f0} ms");
        Assert.True(result.GetProperty("verification").GetProperty("equal").GetBoolean());
        Assert.True(result.GetProperty("writePauseMs").GetDouble() < 5000);
        Assert.Equal(2, result.GetProperty("epoch").GetInt64());
        await FinalizeAsync(move.Id);
        await NothingLeaksAsync();
        await NothingElsewhereAsync(tenant.Id);
        await OneHomeAsync(tenant.Id);
    }
}
