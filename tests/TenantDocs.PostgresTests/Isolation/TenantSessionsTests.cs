using System.Diagnostics;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>What <see cref="TenantSessions"/> does when a tenant's place does not admit a unit of work.</summary>
[Collection(nameof(AttackGround))]
public sealed class TenantSessionsTests(AttackGround ground)
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(300);

    [Theory, ClassData(typeof(EveryModel))]
    public async Task A_stale_route_is_corrected_and_the_unit_runs_once_more(IsolationModel model)
    {
        var tenant = await ground.Platform.PlaceAsync(model);
        await MoveToEpochAsync(tenant, 2);
        var runs = 0;

        var seen = await ground.Sessions.ReadAsync(
            tenant, // as cached, at epoch 1
            async (session, cancellation) =>
            {
                runs++;
                await using var batch = session.CreateBatch().Add("SELECT count(*) FROM documents");
                await batch.ExecuteAsync(cancellation);
                return session.Tenant.Placement.Epoch;
            },
            AttackGround.Stop
        );

        Assert.Equal(2, seen);
        Assert.Equal(2, runs);
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task A_place_that_changes_while_writes_are_fenced_is_where_the_unit_then_runs(IsolationModel model)
    {
        var tenant = await ground.Platform.PlaceAsync(model);
        var fence = tenant.Placement with { Epoch = 2 };
        await ground.Platform.FenceAsync(tenant.Id, fence, "write_fenced", "readWrite");
        var runs = 0;
        var refusedOnce = new TaskCompletionSource();

        var writing = ground.Sessions.WriteAsync(
            tenant,
            async (session, cancellation) =>
            {
                if (++runs == 2)
                {
                    refusedOnce.SetResult(); // the first attempt and one on the same, newest route were refused
                }

                await using var batch = session
                    .CreateBatch()
                    .Add(
                        AttackGround.InsertDocument,
                        SqlValue.Of(tenant.Id.Value),
                        SqlValue.Of(Guid.CreateVersion7()),
                        SqlValue.Of("moved")
                    );
                await batch.ExecuteAsync(cancellation);
                return session.Tenant.Placement;
            },
            AttackGround.Stop
        );
        await refusedOnce.Task;
        await ground.Platform.FenceAsync(tenant.Id, fence, "moved", "readWrite");
        var target = await ground.Platform.PlaceAsync(
            model is IsolationModel.Database ? IsolationModel.Schema : IsolationModel.Database
        );
        var place = target.Placement with { Epoch = 2 };
        await ground.Platform.FenceAsync(tenant.Id, place, "active", "readWrite");
        await ground.Platform.RunInCatalogAsync(
            "UPDATE placements SET isolation = $2, database_name = $3, schema_name = $4, epoch = 2 WHERE tenant_id = $1",
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(place.Isolation.ToText()),
            SqlValue.Of(place.Database.Name),
            SqlValue.Of(place.Schema.Name)
        );

        Assert.Equal(place, await writing);
        Assert.Equal(1, await ground.Sessions.AskAsync<long>(tenant, "SELECT count(*) FROM documents"));
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task A_place_that_is_gone_altogether_is_elsewhere_too(IsolationModel model)
    {
        var tenant = await ground.Platform.PlaceAsync(model);
        var id = await ground.WriteAsync(tenant);
        var gone = tenant with
        {
            Placement = tenant.Placement with { Database = new PgIdentifier("no_such_database") },
        };

        Assert.Equal(1, await ground.CountAsync(gone, id));
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task A_read_whose_connection_is_ended_by_its_server_runs_again_and_a_write_does_not(
        IsolationModel model
    )
    {
        var tenant = await ground.Platform.PlaceAsync(model);
        var runs = 0;

        Assert.Equal(2, await ground.Sessions.ReadAsync(tenant, EndOnceAsync, AttackGround.Stop));

        // Of a write nobody knows whether it took effect.
        runs = 0;
        await Assert.ThrowsAsync<PostgresException>(() =>
            ground.Sessions.WriteAsync(tenant, EndOnceAsync, AttackGround.Stop)
        );
        Assert.Equal(1, runs);

        async Task<int> EndOnceAsync(TenantSession session, CancellationToken cancellation)
        {
            await using var batch = session
                .CreateBatch()
                .Add(++runs == 1 ? "SELECT pg_terminate_backend(pg_backend_pid())" : "SELECT 1");
            await batch.ExecuteAsync(cancellation);
            return runs;
        }
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task A_data_source_that_is_forgotten_under_a_request_is_made_anew(IsolationModel model)
    {
        var tenant = await ground.Platform.PlaceAsync(model);
        var id = await ground.WriteAsync(tenant);
        await using var engine = new OwnEngine(ground.Platform);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(AttackGround.Stop);
        var forgetting = Task.Run(
            async () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    await engine.Registry.ForgetAsync(tenant.Placement.Server, tenant.Placement.Database);
                }
            },
            AttackGround.Stop
        );
        for (var i = 0; i < 40; i++)
        {
            Assert.Equal(1, await engine.Sessions.CountAsync(tenant, id));
        }

        await stop.CancelAsync();
        await forgetting;
        Assert.True(engine.Registry.Charged <= 1);
    }

    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task A_place_that_never_opens_is_given_up_at_the_deadline(IsolationModel model)
    {
        var tenant = await ground.Platform.PlaceAsync(model);
        await ground.Platform.FenceAsync(tenant.Id, tenant.Placement with { Epoch = 2 }, "moved", "readWrite");
        await using var engine = new OwnEngine(ground.Platform, o => o.MoveDeadline = Short);
        var watch = Stopwatch.StartNew();

        var refusal = await Assert.ThrowsAsync<TenantUnavailableException>(() =>
            engine.Sessions.WriteDocumentAsync(tenant)
        );

        Assert.Equal(tenant.Id, refusal.Tenant.Id);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        await ground.Platform.FenceAsync(tenant.Id, tenant.Placement with { Epoch = 2 }, "active", "readWrite");
        await MoveToEpochAsync(tenant, 2);
        await engine.Sessions.WriteDocumentAsync(tenant);
    }

    public static TheoryData<string, string, bool> Conditions =>
        new()
        {
            // status, access mode, reads are worth waiting for
            { "suspended", "readWrite", true },
            { "pendingDeletion", "readWrite", false },
            { "purged", "readWrite", false },
            { "failed", "readWrite", false },
            { "provisioning", "readWrite", false },
            { "active", "offline", false },
            { "active", "readOnly", true },
        };

    [Theory, MemberData(nameof(Conditions))]
    public async Task What_the_catalog_says_no_to_is_not_waited_for(string status, string access, bool reads)
    {
        var tenant = await ground.Platform.PlaceAsync(IsolationModel.Shared);
        await ground.Platform.FenceAsync(tenant.Id, tenant.Placement with { Epoch = 2 }, "moved", "readWrite");
        await ground.Platform.RunInCatalogAsync(
            "UPDATE tenants SET status = $2, access_mode = $3 WHERE id = $1",
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(status),
            SqlValue.Of(access)
        );
        // A deadline that no test lives to see: whoever waits for it fails by its time limit.
        await using var engine = new OwnEngine(ground.Platform, o => o.MoveDeadline = TimeSpan.FromHours(1));

        var refusal = await Assert
            .ThrowsAsync<TenantUnavailableException>(() => engine.Sessions.WriteDocumentAsync(tenant))
            .WaitAsync(TimeSpan.FromSeconds(30), AttackGround.Stop);
        Assert.Equal(status, refusal.Tenant.Status.ToText());
        if (!reads)
        {
            await Assert
                .ThrowsAsync<TenantUnavailableException>(() => engine.Sessions.CountAsync(tenant, Guid.Empty))
                .WaitAsync(TimeSpan.FromSeconds(30), AttackGround.Stop);
        }
    }

    [Fact]
    public async Task A_tenant_that_the_catalog_does_not_know_is_unavailable()
    {
        var tenant = await ground.Platform.PlaceAsync(IsolationModel.Shared);
        var nobody = tenant with { Id = TenantId.Create(TimeProvider.System.GetUtcNow()) };
        await Assert.ThrowsAsync<TenantUnavailableException>(() => ground.CountAsync(nobody, Guid.Empty));
    }

    private async Task MoveToEpochAsync(Tenant tenant, long epoch)
    {
        await ground.Platform.FenceAsync(tenant.Id, tenant.Placement with { Epoch = epoch }, "active", "readWrite");
        await ground.Platform.RunInCatalogAsync(
            "UPDATE placements SET epoch = $2 WHERE tenant_id = $1",
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(epoch)
        );
    }
}
