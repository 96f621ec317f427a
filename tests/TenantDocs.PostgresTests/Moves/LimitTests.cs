using Npgsql;
using Npgsql.Replication;
using TenantDocs.Catalog;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.LocalPostgres;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>A server has no slot or sender left, or the mover lacks a privilege: said by the plan, or the move ends in order.</summary>
public sealed class LimitTests(PostgresFixture postgres, OwnCluster cluster)
    : FaultSetting(postgres),
        IClassFixture<OwnCluster>
{
    private const string UseUpSlots = """
        SELECT count(pg_create_physical_replication_slot('used_' || n))
          FROM generate_series(1, current_setting('max_replication_slots')::int
                                  - (SELECT count(*)::int FROM pg_replication_slots)) AS n
        """;

    private const string FreeSlots = """
        SELECT count(*) FROM (SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
                               WHERE starts_with(slot_name, 'used_')) AS dropped
        """;

    private readonly PostgresFixture _postgres = postgres;

    [Fact]
    public async Task The_plan_names_what_the_source_lacks_and_the_move_is_refused()
    {
        var own = await StartWithOwnSourceAsync();
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        Assert.Empty(await BlockersAsync(tenant));

        await LocalFolder.AskAsync(own, UseUpSlots);
        Assert.Equal(["slot-limit"], await BlockersAsync(tenant));
        await RefusedAsync(tenant, "slot-limit");
        await LocalFolder.AskAsync(own, FreeSlots);
        Assert.Empty(await BlockersAsync(tenant));

        await using (await UseUpSendersAsync(own))
        {
            Assert.Equal(["slot-limit"], await BlockersAsync(tenant));
            await RefusedAsync(tenant, "slot-limit");
        }

        await UntilAsync("the senders are gone", async () => await BlockersAsync(tenant) is []);
        await LocalFolder.AskAsync(own, "ALTER ROLE tenantdocs_mover NOREPLICATION");
        try
        {
            Assert.Equal(["missing-privilege"], await BlockersAsync(tenant));
            await RefusedAsync(tenant, "missing-privilege");
        }
        finally
        {
            await LocalFolder.AskAsync(own, "ALTER ROLE tenantdocs_mover REPLICATION");
        }

        // And the control: with all of it, the move goes through.
        var move = await MoveAsync(tenant, ToDatabase);
        Succeeded(move);
        await JudgeAsync(workload, move);
    }

    [Fact]
    public async Task A_target_that_cannot_stream_back_is_moved_to_without_a_way_back()
    {
        var own = await cluster.ConnectionString();
        var one = await _postgres.ServerConnectionString(0);
        await StartAsync(one, one, own);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        await LocalFolder.AskAsync(own, UseUpSlots);
        Operation move;
        try
        {
            var plan = await Moves.PlanAsync(tenant.Slug, ToDatabase, CancellationToken.None);
            Assert.Contains("no-way-back", plan.Value.Notes.Select(n => n.Code));
            Assert.Empty(plan.Value.Blockers);

            move = await MoveAsync(tenant, ToDatabase);
        }
        finally
        {
            await LocalFolder.AskAsync(own, FreeSlots);
        }

        Succeeded(move);
        var rollback = await Moves.RollbackAsync(move.Id, "tests", CancellationToken.None);
        Assert.Equal("rollback-unavailable", rollback.Error?.Code);
        await JudgeAsync(workload, move);
    }

    [Fact]
    public async Task A_server_that_does_not_let_the_mover_in_is_named_and_nothing_is_made()
    {
        var own = await StartWithOwnSourceAsync();
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        await LocalFolder.AskAsync(own, "ALTER ROLE tenantdocs_mover NOLOGIN");
        try
        {
            // Nobody knows its wal_level now, and so nobody says anything of it.
            Assert.Equal(["server-unreachable"], await BlockersAsync(tenant));
            await RefusedAsync(tenant, "server-unreachable");
        }
        finally
        {
            await LocalFolder.AskAsync(own, "ALTER ROLE tenantdocs_mover LOGIN");
        }

        Assert.Empty(await BlockersAsync(tenant));
        await workload.JudgeAsync();
        await CleanAsync(tenant.Id);
    }

    /// <summary>The plan found all in order; it was taken away before it was used.</summary>
    [Theory]
    [InlineData("slots", "a limit of the server")]
    [InlineData("replication", "privilege", Explicit = true)]
    [InlineData("insert", "privilege", Explicit = true)]
    public async Task What_is_taken_away_in_mid_move_ends_it_with_the_reason(string what, string reason)
    {
        var own = await StartWithOwnSourceAsync();
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var place = what == "insert" ? "move/Barrier" : $"move/{nameof(PrepareStep)}/{FailPlace.BeforeDo}";
        FailPoints.At(
            place,
            () =>
                what switch
                {
                    "slots" => LocalFolder.AskAsync(own, UseUpSlots),
                    "replication" => LocalFolder.AskAsync(own, "ALTER ROLE tenantdocs_mover NOREPLICATION"),
                    _ => RevokeInsertAsync(tenant),
                }
        );

        var move = await MoveAsync(tenant, ToDatabase);

        await LocalFolder.AskAsync(own, FreeSlots);
        await LocalFolder.AskAsync(own, "ALTER ROLE tenantdocs_mover REPLICATION");
        Assert.Contains(place, FailPoints.Reached);
        Assert.Equal(OperationStatus.Failed, move.Status);
        Assert.Contains(reason, move.Problem.ToString());
        await JudgeAsync(workload, move);
    }

    private async Task RevokeInsertAsync(Tenant tenant)
    {
        var target = Platform
            .Get<TenantDocs.Isolation.Isolations>()[IsolationModel.Database]
            .PlaceFor(tenant.Id, Second, 2);
        await using var connection = await Platform.Servers.OpenAsync(
            Second,
            target.Database,
            TenantDocs.Isolation.SessionRole.Admin,
            CancellationToken.None
        );
        await ExecuteAsync(connection, "REVOKE INSERT ON ALL TABLES IN SCHEMA tenant FROM tenantdocs_mover");
    }

    private async Task RefusedAsync(Tenant tenant, string code)
    {
        var move = await MoveAsync(tenant, ToDatabase);
        Assert.Equal(OperationStatus.Failed, move.Status);
        Assert.Equal(code, move.Problem!.Value.GetProperty("code").GetString());
        Assert.Equal(First, (await TenantAsync(tenant.Id)).Placement.Server);
    }

    private async Task<IReadOnlyList<string?>> BlockersAsync(Tenant tenant)
    {
        var planned = await Moves.StartAsync(tenant.Slug, ToDatabase, true, "tests", CancellationToken.None);
        var plan = (await EndAsync(planned.Value.Operation.Id)).Result!.Value;
        return [.. plan.GetProperty("blockers").EnumerateArray().Select(b => b.GetProperty("code").GetString())];
    }

    private static async Task<Senders> UseUpSendersAsync(string server)
    {
        var senders = new Senders();
        while (true)
        {
            var sender = new PhysicalReplicationConnection(server);
            try
            {
                await sender.Open(CancellationToken.None);
                senders.Add(sender);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.TooManyConnections)
            {
                await sender.DisposeAsync();
                return senders;
            }
        }
    }

    private async Task<string> StartWithOwnSourceAsync()
    {
        var own = await cluster.ConnectionString();
        await StartAsync(await _postgres.ServerConnectionString(0), own, await _postgres.ServerConnectionString(1));
        return own;
    }

    private sealed class Senders : List<PhysicalReplicationConnection>, IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            foreach (var sender in this)
            {
                await sender.DisposeAsync();
            }
        }
    }
}
