using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>Attacks on where a session goes: names, search_path, schemas at different versions, other tenants' places.</summary>
[Collection(nameof(AttackGround))]
public sealed class PlaceAttackTests(AttackGround ground)
{
    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task Attack_26_A_place_without_its_schema_is_an_error_and_never_another_schema(IsolationModel model)
    {
        var tenant = await ground.Platform.PlaceAsync(model);
        var id = await ground.WriteAsync(tenant);
        var missing = new PgIdentifier($"t_{Guid.NewGuid():n}");
        await using var mover = await ground.Platform.OpenAsync(tenant, SessionRole.Mover);
        await FenceAsync(missing);

        var refusal = await Assert.ThrowsAsync<PostgresException>(() => ground.CountAsync(tenant, id));
        Assert.Equal(PostgresErrorCodes.UndefinedTable, refusal.SqlState);

        // Nor is there anything to fall through to: the schema that PostgreSQL falls back on does not exist here.
        Assert.Equal(0, await mover.AskAsync<long>("SELECT count(*) FROM pg_namespace WHERE nspname = 'public'"));
        // A neighbour's schema, by mistake: its tables are found, and show nothing.
        var (victim, _) = await ground.PairAsync(model);
        await ground.WriteAsync(victim);
        if (victim.Placement.Database == tenant.Placement.Database)
        {
            await FenceAsync(victim.Placement.Schema);
            var rows = await ground.Sessions.AskAsync<long>(tenant, "SELECT count(*) FROM documents");
            Assert.Equal(model is IsolationModel.Shared ? 1 : 0, rows);
        }
        else
        {
            var misrouted = tenant with { Placement = victim.Placement };
            await using var engine = new OwnEngine(ground.Platform, routes: new OneRoute(misrouted), configure: Soon);
            await Assert.ThrowsAsync<TenantUnavailableException>(() => engine.Sessions.CountAsync(misrouted, id));
        }

        await FenceAsync(tenant.Placement.Schema);
        Assert.Equal(1, await ground.CountAsync(tenant, id));

        Task FenceAsync(PgIdentifier schema) =>
            ground.Platform.FenceAsync(tenant.Id, tenant.Placement with { Schema = schema }, "active", "readWrite");

        static void Soon(IsolationOptions options) => options.MoveDeadline = TimeSpan.FromMilliseconds(200);
    }

    [Theory]
    [InlineData("a,b")]
    [InlineData("a b")]
    [InlineData("a\"b")]
    [InlineData("a'b")]
    [InlineData("$user")]
    [InlineData("Mixed")]
    [InlineData("a;b")]
    [InlineData("a\n")]
    [InlineData("")]
    [InlineData("1a")]
    [InlineData("ä")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")] // 64: PostgreSQL would cut it
    public void Attack_26_A_name_that_could_be_cut_folded_or_split_is_no_name(string name)
    {
        Assert.Throws<ArgumentException>(() => new PgIdentifier(name));
        Assert.Equal(63, new PgIdentifier(new string('a', 63)).Name.Length);
    }

    [Fact]
    public async Task Attack_27_Two_schemas_at_different_versions_on_one_connection_answer_each_with_its_own()
    {
        var (old, young) = (
            await ground.Platform.PlaceAsync(IsolationModel.Schema),
            await ground.Platform.PlaceAsync(IsolationModel.Schema)
        );
        await using (var admin = await ground.Platform.OpenAsync(young, SessionRole.Admin))
        {
            await admin.ExecuteAsync(
                $"""
                SET ROLE tenantdocs_owner;
                ALTER TABLE {young.Placement.Schema.Quoted}.document_tags ADD COLUMN added int NOT NULL DEFAULT 7;
                ALTER TABLE {young.Placement.Schema.Quoted}.document_tags ALTER COLUMN tag TYPE varchar(100);
                """
            );
        }

        await using var engine = new OwnEngine(ground.Platform, o => o.MaxConnectionsPerDatabase = 1);
        foreach (var tenant in new[] { old, young })
        {
            var id = await engine.Sessions.WriteDocumentAsync(tenant);
            await engine.Sessions.WriteAsync(
                tenant,
                async (session, token) =>
                {
                    await using var batch = session
                        .CreateBatch()
                        .Add(
                            "INSERT INTO document_tags (tenant_id, tag, document_id) VALUES ($1, $2, $3)",
                            SqlValue.Of(tenant.Id.Value),
                            SqlValue.Of(tenant.Slug),
                            SqlValue.Of(id)
                        );
                    return await batch.ExecuteAsync(token);
                },
                AttackGround.Stop
            );
        }

        for (var i = 0; i < 20; i++)
        {
            foreach (var tenant in new[] { old, young })
            {
                Assert.Equal(
                    tenant.Slug,
                    await engine.Sessions.AskAsync<string>(tenant, "SELECT tag FROM document_tags")
                );
            }
        }
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_28_A_tenant_sent_to_anothers_home_is_not_let_in(IsolationModel model)
    {
        var (victim, _) = await ground.PairAsync(IsolationModel.Database);
        var id = await ground.WriteAsync(victim);
        var (_, attacker) = await ground.PairAsync(model);
        var misrouted = attacker with { Placement = victim.Placement };
        await using var engine = new OwnEngine(
            ground.Platform,
            o => o.MoveDeadline = TimeSpan.FromMilliseconds(200),
            new OneRoute(misrouted)
        );

        await Assert.ThrowsAsync<TenantUnavailableException>(() => engine.Sessions.CountAsync(misrouted, id));
        await Assert.ThrowsAsync<TenantUnavailableException>(() => engine.Sessions.WriteDocumentAsync(misrouted));
        Assert.Equal(1, await engine.Sessions.CountAsync(victim, id));
    }

    /// <summary>The third wall: the gate is gone, and the session stands on the wrong place; the policies show nothing.</summary>
    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task A_misroute_that_every_gate_let_pass_shows_no_row_and_takes_none(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        await ground.WriteAsync(victim);
        await using var session = await ground.IntrudeAsync(attacker, victim);
        foreach (
            var table in await session.LinesAsync(
                "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
            )
        )
        {
            var foreign = SqlValue.Of(victim.Id.Value);
            Assert.Equal(
                0,
                await session.AskAsync<long>($"SELECT count(*) FROM {table} WHERE tenant_id = $1", foreign)
            );
        }

        await using var own = await ground.IntrudeAsync(victim, victim);
        Assert.NotEqual(0, await own.AskAsync<long>("SELECT count(*) FROM documents"));
    }

    private sealed class OneRoute(Tenant tenant) : ITenantRoutes
    {
        public Task<Tenant?> RefreshAsync(TenantId id, CancellationToken cancellationToken) =>
            Task.FromResult<Tenant?>(tenant);
    }
}
