using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.PostgresTests.Documents;

public class TrashSweeperTests(DocumentsPlatform platform) : IClassFixture<DocumentsPlatform>
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task A_sweep_empties_the_old_trash_of_every_tenant_on_one_node_at_a_time()
    {
        var time = new ManualTime();
        var services = platform.Platform.Services;
        var documents = ActivatorUtilities.CreateInstance<DocumentRepository>(services, time);
        var sweeper = ActivatorUtilities.CreateInstance<TrashSweeper>(services, documents, time);
        var tenants = new List<Tenant>();
        foreach (var model in Enum.GetValues<IsolationModel>())
        {
            var tenant = await platform.Platform.NewTenantAsync(model);
            var write = new DocumentWrite { Actor = "user:tester", Precondition = new(true, []) };
            var content = new DocumentContent { Title = "Old", Body = "" };
            var created = await documents.CreateAsync(tenant, null, content, write, None);
            var id = created.Value.Document!.Id;
            await documents.ChangeAsync(tenant, id, new DocumentChange.Delete(), write, None);
            tenants.Add(tenant);
        }

        time.Pass(TimeSpan.FromDays(29));
        Assert.Equal(0, await sweeper.SweepAllAsync(None));
        time.Pass(TimeSpan.FromDays(2));
        await using (var elsewhere = await platform.Platform.Catalog.Source.OpenConnectionAsync(None))
        {
            await LockAsync(elsewhere, "SELECT pg_advisory_lock(30000001)");
            Assert.Null(await sweeper.SweepAllAsync(None));
            await LockAsync(elsewhere, "SELECT pg_advisory_unlock(30000001)");
        }

        Assert.Equal(3, await sweeper.SweepAllAsync(None));
        Assert.Equal(0, await sweeper.SweepAllAsync(None));
        foreach (var tenant in tenants)
        {
            Assert.Equal(new DocumentUsage(0, 0, 0, 0, 3), await documents.ReadUsageAsync(tenant, None));
        }
    }

    private static async Task LockAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(None);
    }
}
