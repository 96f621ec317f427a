using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>The switch: when it happens, what may be in its way, what it refuses.</summary>
public sealed class CutoverTests(PostgresFixture postgres) : MoveSetting(postgres)
{
    private static readonly MoveRequest ToDatabase = new() { Isolation = IsolationModel.Database, Server = Second };

    [Fact]
    public async Task A_move_that_was_told_to_wait_switches_on_the_word()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Schema, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start();
        var id = await WaitingAsync(tenant, ToDatabase);
        Assert.Equal(First, (await TenantAsync(tenant.Id)).Placement.Server);
        await workload.AdvanceAsync(20);

        Assert.Null((await Moves.CutoverAsync(id, CancellationToken.None)).Error);

        Succeeded(await EndAsync(id));
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        await OneHomeAsync(tenant.Id);
    }

    [Fact]
    public async Task A_cancelled_move_leaves_the_source_under_a_newer_epoch_and_nothing_else()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start();
        var id = await WaitingAsync(tenant, ToDatabase);

        Assert.Null((await Requests.CancelAsync(id, CancellationToken.None)).Error);

        Assert.Equal(OperationStatus.Cancelled, (await EndAsync(id)).Status);
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        Assert.Equal(3, (await TenantAsync(tenant.Id)).Placement.Epoch);
        await OneHomeAsync(tenant.Id);
        await NothingLeaksAsync();
        Assert.DoesNotContain(await DatabasesAsync(Second), d => d.Contains("_t_", StringComparison.Ordinal));
    }

    [Fact(Explicit = true)]
    public async Task A_long_transaction_of_the_tenant_delays_the_switch_and_not_the_other_writers()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start(writers: 3, readers: 1);
        var id = await WaitingAsync(tenant, ToDatabase);
        await using var connection = await Platform.OpenAsync(tenant, SessionRole.App);
        await using var transaction = await connection.BeginTransactionAsync(CancellationToken.None);
        await using (var enter = new NpgsqlCommand("SELECT tenantdocs.enter_write($1, $2)", connection, transaction))
        {
            enter.Parameters.Add(SqlValue.Of(tenant.Id.Value));
            enter.Parameters.Add(SqlValue.Of(tenant.Placement.Epoch));
            await enter.ExecuteNonQueryAsync(CancellationToken.None);
        }

        Assert.Null((await Moves.CutoverAsync(id, CancellationToken.None)).Error);
        await Task.Delay(3000, CancellationToken.None);

        Assert.Equal(First, (await TenantAsync(tenant.Id)).Placement.Server);
        await workload.AdvanceAsync(50);
        await transaction.CommitAsync(CancellationToken.None);
        Succeeded(await EndAsync(id));
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
    }

    [Fact(Explicit = true)]
    public async Task A_neighbours_huge_commit_does_not_stretch_the_pause()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        var neighbour = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start(writers: 2, readers: 1);
        var id = await WaitingAsync(tenant, ToDatabase);
        await using var connection = await Platform.OpenAsync(neighbour, SessionRole.Mover);
        await using var huge = new NpgsqlCommand(
            """
            INSERT INTO shared.document_changes
            SELECT $1, n, 'x', gen_random_uuid(), 1, now(), 'w' FROM generate_series(1000, 101000) AS n
            """,
            connection
        );
        huge.Parameters.Add(SqlValue.Of(neighbour.Id.Value));
        var writing = huge.ExecuteNonQueryAsync(CancellationToken.None);
        Assert.Null((await Moves.CutoverAsync(id, CancellationToken.None)).Error);
        await writing;

        var move = await EndAsync(id);

        Succeeded(move);
        await workload.JudgeAsync();
        // Nothing of the neighbour came along.
        var moved = await TenantAsync(tenant.Id);
        Assert.Equal(
            ["0"],
            await ListAsync(
                Second,
                moved.Placement.Database.Name,
                $"SELECT count(*)::text FROM tenant.document_changes WHERE tenant_id <> '{tenant.Id}'"
            )
        );
    }

    [Fact]
    public async Task A_pause_beyond_its_budget_takes_itself_back()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start(writers: 2, readers: 1);
        var id = await WaitingAsync(tenant, ToDatabase with { MaxWritePauseMs = 1 });
        Assert.Null((await Moves.CutoverAsync(id, CancellationToken.None)).Error);

        var move = await EndAsync(id);

        Assert.Equal(OperationStatus.Failed, move.Status);
        Assert.Contains("move-aborted", move.Problem.ToString());
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        await OneHomeAsync(tenant.Id);
        await NothingLeaksAsync();
    }

    [Fact]
    public async Task A_node_that_heard_nothing_of_the_move_writes_at_the_new_home()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        Succeeded(await MoveAsync(tenant, ToDatabase));

        // The old route, as a cache that missed every notification would give it.
        var changed = await Platform.Sessions.WriteAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch().Add("UPDATE tenant_state SET seq = seq + 1");
                return await batch.ExecuteAsync(token);
            },
            CancellationToken.None
        );

        Assert.Equal(1, changed);
        var moved = await TenantAsync(tenant.Id);
        Assert.Equal(
            ["1"],
            await ListAsync(Second, moved.Placement.Database.Name, "SELECT seq::text FROM tenant.tenant_state")
        );
        // The gate itself refuses the old epoch.
        await using var stale = await Platform.OpenAsync(tenant, SessionRole.App);
        var refused = await Assert.ThrowsAsync<PostgresException>(async () =>
        {
            await using var enter = new NpgsqlCommand("SELECT tenantdocs.enter_write($1, $2)", stale);
            enter.Parameters.Add(SqlValue.Of(tenant.Id.Value));
            enter.Parameters.Add(SqlValue.Of(tenant.Placement.Epoch));
            await enter.ExecuteNonQueryAsync(CancellationToken.None);
        });
        Assert.Equal(TenantSqlState.NotAdmitted, refused.SqlState);
    }

    [Fact]
    public async Task Writers_that_pass_no_gate_or_keep_an_old_snapshot_change_nothing()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var connection = await Platform.OpenAsync(tenant, SessionRole.App);
        await using (var ungated = new NpgsqlCommand("UPDATE shared.tenant_state SET seq = 99", connection))
        {
            Assert.Equal(0, await ungated.ExecuteNonQueryAsync(CancellationToken.None));
        }

        await using var transaction = await connection.BeginTransactionAsync(
            System.Data.IsolationLevel.RepeatableRead,
            CancellationToken.None
        );
        await using var enter = new NpgsqlCommand("SELECT tenantdocs.enter_write($1, $2)", connection, transaction);
        enter.Parameters.Add(SqlValue.Of(tenant.Id.Value));
        enter.Parameters.Add(SqlValue.Of(tenant.Placement.Epoch));
        var refused = await Assert.ThrowsAsync<PostgresException>(() =>
            enter.ExecuteNonQueryAsync(CancellationToken.None)
        );
        Assert.Equal(TenantSqlState.WrongIsolationLevel, refused.SqlState);
    }

    [Fact]
    public async Task Where_changes_cannot_be_streamed_the_tenant_is_held_while_it_is_copied()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start(writers: 2, readers: 1);
        await workload.AdvanceAsync(20);
        var home = Platform.Get<Isolations>()[IsolationModel.Schema].PlaceFor(tenant.Id, Second, 2);
        var leg = new MoveLeg(
            Guid.NewGuid(),
            tenant.Id.Value,
            tenant.Slug,
            PlaceText.Of(tenant.Placement),
            PlaceText.Of(home),
            0,
            20000,
            true,
            TimeSpan.Zero
        )
        {
            UnderFence = true,
            CanReturn = false,
        };
        var started = await Requests.StartAsync(
            new NewOperation("move", leg, "tests") { Tenant = tenant.Id, TenantSlug = tenant.Slug },
            CancellationToken.None
        );

        var move = await EndAsync(started.Value.Operation.Id);

        Succeeded(move);
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        Assert.Equal((IsolationModel.Schema, Second), ((await TenantAsync(tenant.Id)).Placement.Isolation, Second));
        await ClearedAsync(move.Id);
        await OneHomeAsync(tenant.Id);
        await NothingLeaksAsync();
    }

    [Fact]
    public async Task A_dry_run_counts_and_judges_and_changes_nothing()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        var started = await Moves.StartAsync(tenant.Slug, ToDatabase, true, "tests", CancellationToken.None);
        var plan = (await EndAsync(started.Value.Operation.Id)).Result!.Value;

        Assert.Empty(plan.GetProperty("blockers").EnumerateArray());
        Assert.Equal(1, plan.GetProperty("rows").GetInt64());
        Assert.Equal("online", plan.GetProperty("method").GetString());
        Assert.Equal(tenant.Placement, (await TenantAsync(tenant.Id)).Placement);
        Assert.Equal(
            "nothing-to-change",
            (await Moves.PlanAsync(tenant.Slug, new MoveRequest(), CancellationToken.None)).Error?.Code
        );
        var unknown = await Moves.PlanAsync(
            tenant.Slug,
            new MoveRequest { Server = "nowhere" },
            CancellationToken.None
        );
        Assert.Equal("validation-failed", unknown.Error?.Code);
    }

    [Fact]
    public async Task A_second_operation_of_the_tenant_is_refused_while_it_moves()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        var id = await WaitingAsync(tenant, ToDatabase);

        var second = await Moves.StartAsync(tenant.Slug, ToDatabase, false, "tests", CancellationToken.None);

        Assert.Equal("operation-in-progress", second.Error?.Code);
        await Requests.CancelAsync(id, CancellationToken.None);
        Assert.Equal(OperationStatus.Cancelled, (await EndAsync(id)).Status);
    }
}
