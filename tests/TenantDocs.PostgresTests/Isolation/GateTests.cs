using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>The gate functions and the fence, asked with plain SQL on the tenant's own place.</summary>
[Collection(nameof(AttackGround))]
public sealed class GateTests(AttackGround ground)
{
    public static TheoryData<string, string, long, bool, bool> Doors =>
        new()
        {
            // state, access, caller's epoch (the fence has 5), reads, writes
            { "active", "readWrite", 5, true, true },
            { "active", "readOnly", 5, true, false },
            { "active", "offline", 5, false, false },
            { "active", "readWrite", 4, false, false },
            { "active", "readWrite", 6, false, false },
            // A move in its last milliseconds: who still carries the epoch before may read, and nobody may write.
            { "write_fenced", "readWrite", 4, true, false },
            { "write_fenced", "readWrite", 5, false, false },
            { "write_fenced", "readWrite", 3, false, false },
            { "write_fenced", "offline", 4, false, false },
            { "moved", "readWrite", 5, false, false },
            { "moved", "readWrite", 4, false, false },
            { "importing", "readWrite", 5, false, false },
            { "importing", "readWrite", 4, false, false },
            { "standby", "readWrite", 5, false, false },
            { "standby", "readWrite", 4, false, false },
        };

    [Theory, MemberData(nameof(Doors))]
    public async Task The_gate_admits_by_state_access_and_epoch_and_by_nothing_else(
        string state,
        string access,
        long epoch,
        bool reads,
        bool writes
    )
    {
        foreach (var model in Enum.GetValues<IsolationModel>())
        {
            var tenant = await AtEpochFiveAsync(model);
            await ground.Platform.FenceAsync(tenant.Id, tenant.Placement, state, access);
            await using var session = await ground.Platform.OpenAsync(tenant, SessionRole.App);
            Assert.Equal(reads, await IsAdmittedAsync(session, "enter_read", tenant, epoch));
            Assert.Equal(writes, await IsAdmittedAsync(session, "enter_write", tenant, epoch));
        }
    }

    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task What_the_gate_refuses_has_read_and_changed_nothing(IsolationModel model)
    {
        var tenant = await ground.Platform.PlaceAsync(model);
        var id = await ground.WriteAsync(tenant);
        var stale = tenant with { Placement = tenant.Placement with { Epoch = 7 } };
        await using var session = await ground.Platform.OpenAsync(tenant, SessionRole.App);

        Assert.Equal(TenantSqlState.NotAdmitted, await RunAsync(stale, "DELETE FROM documents"));
        Assert.Equal(1, await ground.CountAsync(tenant, id));
        Assert.Null(await RunAsync(tenant, "DELETE FROM documents"));
        Assert.Equal(0, await ground.CountAsync(tenant, id));

        async Task<string?> RunAsync(Tenant caller, string sql)
        {
            await using var batch = new TenantSession(session, caller, SessionMode.Write).CreateBatch().Add(sql);
            var refusal = await Record.ExceptionAsync(() => batch.ExecuteAsync(AttackGround.Stop));
            return (refusal as PostgresException)?.SqlState;
        }
    }

    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task An_unknown_tenant_or_epoch_is_not_admitted(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        await using var session = await ground.Platform.OpenAsync(victim, SessionRole.App);
        foreach (var gate in new[] { "enter_read", "enter_write" })
        {
            Assert.True(await IsAdmittedAsync(session, gate, victim, 1));
            await RefusedAsync($"SELECT tenantdocs.{gate}('{Guid.CreateVersion7()}', 1)");
            await RefusedAsync($"SELECT tenantdocs.{gate}(NULL, 1)");
            // Not an epoch at all: compared with = it is neither right nor wrong.
            await RefusedAsync($"SELECT tenantdocs.{gate}('{victim.Id}', NULL)");
            await RefusedAsync($"SELECT tenantdocs.{gate}('{victim.Id}', 0)");
            await RefusedAsync($"SELECT tenantdocs.{gate}('{victim.Id}', -1)");
            if (model is IsolationModel.Database)
            {
                await RefusedAsync($"SELECT tenantdocs.{gate}('{attacker.Id}', 1)"); // its home is another database
            }
        }

        Task<PostgresException> RefusedAsync(string sql) => session.RefusedAsync(TenantSqlState.NotAdmitted, sql);
    }

    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task A_writer_without_the_gate_changes_nothing(IsolationModel model)
    {
        var (victim, _) = await ground.PairAsync(model);
        var id = await ground.WriteAsync(victim);
        await using var session = await ground.IntrudeAsync(victim, victim);
        // What a forgotten gate would leave: the tenant is right, and nobody asked the fence.
        await session.ExecuteAsync("SELECT set_config('app.write_epoch', '', true)");
        Assert.Equal(1, await session.AskAsync<long>("SELECT count(*) FROM documents WHERE id = $1", SqlValue.Of(id)));

        foreach (
            var sql in new[]
            {
                "UPDATE documents SET title = 'ungated' WHERE id = $1",
                "INSERT INTO document_tags SELECT tenant_id, 'ungated', id FROM documents WHERE id = $1",
                "INSERT INTO document_changes SELECT tenant_id, 99, 'x', id, 1, now(), 'x' FROM documents WHERE id = $1",
                "MERGE INTO documents AS d USING (SELECT $1 AS id) AS s ON d.id = s.id WHEN MATCHED THEN UPDATE SET title = 'ungated'",
            }
        )
        {
            await session.RefusedAsync(PostgresErrorCodes.InsufficientPrivilege, sql, SqlValue.Of(id));
        }

        Assert.Equal(0, await session.ExecuteAsync("DELETE FROM documents WHERE id = $1", SqlValue.Of(id)));
        await session.ExecuteAsync("COMMIT");
        Assert.Equal(1, await ground.CountAsync(victim, id));

        await using var gated = await ground.IntrudeAsync(victim, victim);
        Assert.Equal(1, await gated.ExecuteAsync("DELETE FROM documents WHERE id = $1", SqlValue.Of(id)));
    }

    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task A_writer_that_keeps_an_old_snapshot_is_refused(IsolationModel model)
    {
        var (victim, _) = await ground.PairAsync(model);
        await using var session = await ground.Platform.OpenAsync(victim, SessionRole.App);
        var enter = $"SELECT tenantdocs.enter_write('{victim.Id}', 1)";
        foreach (var level in new[] { "REPEATABLE READ", "SERIALIZABLE" })
        {
            await session.ExecuteAsync($"BEGIN ISOLATION LEVEL {level}");
            Assert.True(await IsAdmittedAsync(session, "enter_read", victim, 1)); // a read may have a snapshot
            await session.RefusedAsync(TenantSqlState.WrongIsolationLevel, enter);
            await session.ExecuteAsync("ROLLBACK");
        }

        await session.ExecuteAsync("BEGIN");
        await session.ExecuteAsync(enter);
        await session.ExecuteAsync("ROLLBACK");
    }

    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task Epochs_only_grow(IsolationModel model)
    {
        var tenant = await ground.Platform.PlaceAsync(model, epoch: 5);
        Assert.Equal(TenantSqlState.OlderEpoch, await PlaceAsync(4));
        Assert.Equal(0, await ground.CountAsync(tenant, Guid.Empty)); // still its home, still at epoch 5
        Assert.Null(await PlaceAsync(5));
        Assert.Null(await PlaceAsync(6));
        Assert.Equal(TenantSqlState.OlderEpoch, await PlaceAsync(5));

        async Task<string?> PlaceAsync(long epoch)
        {
            var refusal = await Record.ExceptionAsync(() =>
                ground.Platform.FenceAsync(tenant.Id, tenant.Placement with { Epoch = epoch }, "active", "readWrite")
            );
            return (refusal as PostgresException)?.SqlState;
        }
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task A_place_that_a_move_fills_or_has_left_is_opened_by_that_move_alone(IsolationModel model)
    {
        const string place = "SELECT tenantdocs.place_fence($1, 7, $2, 'readWrite', $3)";
        foreach (var state in new[] { "importing", "standby", "moved" })
        {
            var tenant = await ground.Platform.PlaceAsync(model, epoch: 7);
            var id = SqlValue.Of(tenant.Id.Value);
            var schema = SqlValue.Of(tenant.Placement.Schema.Name);
            await using var mover = await ground.Platform.OpenAsync(tenant, SessionRole.Mover);
            const string set = "UPDATE tenantdocs.tenant_fence SET state = $2 WHERE tenant_id = $1";
            await mover.ExecuteAsync(set, id.Clone(), SqlValue.Of(state));

            await mover.RefusedAsync(
                TenantSqlState.OlderEpoch,
                place,
                id.Clone(),
                SqlValue.Of("active"),
                schema.Clone()
            );

            const string read = "SELECT state FROM tenantdocs.tenant_fence WHERE tenant_id = $1";
            Assert.Equal(state, await mover.AskAsync<string>(read, id.Clone()));
            // The controls: the move may fill it again, and opens it; then its condition may be changed.
            await mover.ExecuteAsync(place, id.Clone(), SqlValue.Of("importing"), schema.Clone());
            await mover.ExecuteAsync("SELECT tenantdocs.arrive($1, 7, 'readWrite', gen_random_uuid())", id.Clone());
            await mover.ExecuteAsync(place, id.Clone(), SqlValue.Of("active"), schema.Clone());
            Assert.Equal("active", await mover.AskAsync<string>(read, id.Clone()));
        }
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task A_fence_names_no_schema_but_a_tenants(IsolationModel model)
    {
        var tenant = await ground.Platform.PlaceAsync(model);
        await using var mover = await ground.Platform.OpenAsync(tenant, SessionRole.Mover);
        string[] schemas =
        [
            "public",
            "pg_catalog",
            "tenantdocs",
            "template",
            "shared, tenant",
            "shared,public",
            "\"shared\"",
            "$user",
            "Shared",
            "",
            " shared",
            "t_" + new string('a', 31),
            "t_" + new string('a', 33),
            "t_" + new string('A', 32),
            "t_" + new string('a', 32) + "\n",
            new string('t', 70),
        ];
        foreach (var schema in schemas)
        {
            await mover.RefusedAsync(
                PostgresErrorCodes.CheckViolation,
                "SELECT tenantdocs.place_fence($1, 1, 'active', 'readWrite', $2)",
                SqlValue.Of(tenant.Id.Value),
                SqlValue.Of(schema)
            );
        }

        Assert.Equal(0, await ground.CountAsync(tenant, Guid.Empty));
    }

    private static readonly Dictionary<IsolationModel, Tenant> AtEpochFive = [];

    private async Task<Tenant> AtEpochFiveAsync(IsolationModel model)
    {
        if (!AtEpochFive.TryGetValue(model, out var tenant))
        {
            AtEpochFive[model] = tenant = await ground.Platform.PlaceAsync(model, epoch: 5);
        }

        return tenant;
    }

    private static async Task<bool> IsAdmittedAsync(NpgsqlConnection session, string gate, Tenant tenant, long epoch)
    {
        try
        {
            await session.ExecuteAsync(
                $"SELECT tenantdocs.{gate}($1, $2)",
                SqlValue.Of(tenant.Id.Value),
                SqlValue.Of(epoch)
            );
            return true;
        }
        catch (PostgresException e) when (e.SqlState == TenantSqlState.NotAdmitted)
        {
            return false;
        }
    }
}
