using System.Collections.Concurrent;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>The promise that moves stand on: once place_fence has returned, no write admitted before is still on its way.</summary>
[Collection(nameof(AttackGround))]
public sealed class FenceRaceTests(AttackGround ground)
{
    [Theory, ClassData(typeof(EveryModel))]
    public async Task The_fence_waits_for_a_writer_that_was_admitted(IsolationModel model)
    {
        var tenant = await ground.Platform.PlaceAsync(model);
        await using var writer = await ground.Platform.OpenAsync(tenant, SessionRole.App);
        await using var watcher = await ground.Platform.OpenAsync(tenant, SessionRole.Admin);
        await writer.ExecuteAsync($"BEGIN; SELECT tenantdocs.enter_write('{tenant.Id}', 1)");

        var fencing = ground.Platform.FenceAsync(tenant.Id, Next(tenant).Placement, "write_fenced", "readWrite");
        await watcher.UntilAsync(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            n => n == 1
        );
        Assert.False(fencing.IsCompleted);
        var id = Guid.CreateVersion7();
        await writer.ExecuteAsync(
            AttackGround.InsertDocument,
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(id),
            SqlValue.Of("in flight")
        );
        await writer.ExecuteAsync("COMMIT");
        await fencing;

        Assert.Equal(1, await ground.CountAsync(tenant, id)); // the epoch before may still read
        await writer.RefusedAsync(TenantSqlState.NotAdmitted, $"SELECT tenantdocs.enter_write('{tenant.Id}', 1)");
    }

    /// <summary>
    /// Eight writers and a fence between them, many times over. A writer that queued behind the fence must see the fence, not the
    /// snapshot it had when it began to wait; a count taken right after place_fence must never grow.
    /// </summary>
    [Theory, ClassData(typeof(EveryModel))]
    public async Task No_write_admitted_under_the_old_row_commits_after_the_fence_returned(IsolationModel model)
    {
        var tenant = await ground.Platform.PlaceAsync(model);
        await using var engine = new OwnEngine(ground.Platform);
        await using var watcher = await ground.Platform.OpenAsync(tenant, SessionRole.Mover);
        var count = $"SELECT count(*) FROM {tenant.Placement.Schema.Quoted}.documents WHERE tenant_id = '{tenant.Id}'";
        var admitted = new ConcurrentBag<Guid>();
        var epoch = 1L;
        for (var round = 0; round < 15; round++)
        {
            var caller = tenant with { Placement = tenant.Placement with { Epoch = epoch } };
            using var fenced = new CancellationTokenSource();
            var writers = Enumerable.Range(0, 8).Select(_ => WriteUntilRefusedAsync(caller, fenced.Token)).ToList();
            var before = admitted.Count;
            while (admitted.Count < before + 8)
            {
                await Task.Yield();
            }

            epoch++;
            var place = tenant.Placement with { Epoch = epoch };
            await ground.Platform.FenceAsync(tenant.Id, place, "write_fenced", "readWrite");
            var atFence = await watcher.AskAsync<long>(count);
            await fenced.CancelAsync();
            await Task.WhenAll(writers);

            Assert.Equal(atFence, await watcher.AskAsync<long>(count));
            Assert.Equal(admitted.Count, atFence); // every acknowledged write is there, and nothing else
            await ground.Platform.FenceAsync(tenant.Id, place, "active", "readWrite");
        }

        async Task WriteUntilRefusedAsync(Tenant caller, CancellationToken cancellation)
        {
            while (!cancellation.IsCancellationRequested)
            {
                await using var lease = await engine.RentAsync(caller);
                var id = Guid.CreateVersion7();
                await using var batch = new TenantSession(lease.Connection, caller, SessionMode.Write)
                    .CreateBatch()
                    .Add(
                        AttackGround.InsertDocument,
                        SqlValue.Of(caller.Id.Value),
                        SqlValue.Of(id),
                        SqlValue.Of("racing")
                    );
                try
                {
                    await batch.ExecuteAsync(CancellationToken.None);
                    admitted.Add(id);
                }
                catch (PostgresException e) when (e.SqlState == TenantSqlState.NotAdmitted)
                {
                    return;
                }
            }
        }
    }

    private static Tenant Next(Tenant tenant) =>
        tenant with
        {
            Placement = tenant.Placement with { Epoch = tenant.Placement.Epoch + 1 },
        };
}
