using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>
/// Attacks through the engine's own pools, whose connections are handed on without a reset (NoResetOnClose in
/// <see cref="DataSourceRegistry"/>): each of these platforms has one connection per database, so the next borrower gets the
/// very session that the one before used.
/// </summary>
[Collection(nameof(AttackGround))]
public sealed class PoolAttackTests(AttackGround ground)
{
    private const string Leftovers = """
        SELECT coalesce(current_setting('app.current_tenant', true), '') || '|' || coalesce(current_setting('app.write_epoch', true), '')
            || '|' || current_setting('transaction_isolation') || '|' || (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
        """;

    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task Attack_1_and_2_The_next_borrower_of_a_session_inherits_nothing(IsolationModel model)
    {
        await using var engine = OneConnection();
        var tenant = await ground.Platform.PlaceAsync(model);
        await engine.Sessions.WriteDocumentAsync(tenant);
        int process;
        await using (var first = await engine.RentAsync(tenant))
        {
            process = first.Connection.ProcessID;
        }

        Assert.Equal(1, await engine.Sessions.AskAsync<long>(tenant, "SELECT count(*) FROM documents"));

        await using var next = await engine.RentAsync(tenant);
        Assert.Equal(process, next.Connection.ProcessID);
        Assert.Equal("||read committed|0", await next.Connection.AskAsync<string>(Leftovers));
        Assert.Equal(
            0,
            await next.Connection.AskAsync<long>($"SELECT count(*) FROM {tenant.Placement.Schema.Quoted}.documents")
        );
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_3_A_unit_of_work_that_failed_leaves_nothing_to_the_next(IsolationModel model)
    {
        await using var engine = OneConnection();
        var tenant = await ground.Platform.PlaceAsync(model);
        var place = tenant.Placement.Schema.Quoted;
        using var cancellation = new CancellationTokenSource();
        Func<TenantSession, CancellationToken, Task<long>>[] failures =
        [
            // An exception in the midst of a transaction of the unit's own.
            async (session, token) =>
            {
                await session.Connection.BeginTransactionAsync(token);
                await using var batch = Insert(session);
                await batch.ExecuteAsync(token);
                throw new TimeZoneNotFoundException();
            },
            // A statement that fails after the gate.
            async (session, token) =>
            {
                await using var batch = Insert(session).Add("SELECT 1 / 0");
                return await batch.ExecuteAsync(token);
            },
            // A caller that goes away while the server works.
            async (session, token) =>
            {
                await using var batch = Insert(session).Add("SELECT pg_sleep(30)");
                var work = batch.ExecuteAsync(cancellation.Token);
                await cancellation.CancelAsync();
                return await work;
            },
            // A reader that is left open with rows unread.
            async (session, token) =>
            {
                var batch = session.CreateBatch().Add("SELECT generate_series(1, 100000)");
                var reader = await batch.ReadAsync(token);
                await reader.ReadAsync(token);
                throw new TimeZoneNotFoundException();
            },
        ];
        foreach (var failure in failures)
        {
            await Assert.ThrowsAnyAsync<Exception>(() =>
                engine.Sessions.WriteAsync(tenant, failure, AttackGround.Stop)
            );

            await using var next = await engine.RentAsync(tenant);
            Assert.Equal("||read committed|0", await next.Connection.AskAsync<string>(Leftovers));
            Assert.Equal(0, await next.Connection.AskAsync<long>($"SELECT count(*) FROM {place}.documents"));
        }

        Assert.Equal(0, await engine.Sessions.AskAsync<long>(tenant, "SELECT count(*) FROM documents"));
        var id = await engine.Sessions.WriteDocumentAsync(tenant);
        Assert.Equal(1, await engine.Sessions.CountAsync(tenant, id));

        TenantBatch Insert(TenantSession session) =>
            session
                .CreateBatch()
                .Add(
                    AttackGround.InsertDocument,
                    SqlValue.Of(tenant.Id.Value),
                    SqlValue.Of(Guid.CreateVersion7()),
                    SqlValue.Of("half done")
                );
    }

    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task Attack_4_A_crowd_on_four_connections_gets_nobody_elses_rows(IsolationModel model)
    {
        await using var engine = new OwnEngine(
            ground.Platform,
            o =>
            {
                o.ConnectionBudget = 4;
                o.MaxConnectionsPerDatabase = 4;
                o.ConnectionTimeout = TimeSpan.FromMinutes(1);
            }
        );
        var tenants = new List<Tenant>();
        for (var i = 0; i < 6; i++)
        {
            tenants.Add(await ground.Platform.PlaceAsync(model));
            await engine.Sessions.WriteDocumentAsync(tenants[i], tenants[i].Slug);
        }

        var random = new Random(4);
        // Where each request takes its connection from another database, it pays for a new one.
        var requests = model is IsolationModel.Database ? 200 : 1500;
        var picks = Enumerable.Range(0, requests).Select(_ => tenants[random.Next(tenants.Count)]).ToList();
        await Parallel.ForEachAsync(
            picks,
            new ParallelOptions { MaxDegreeOfParallelism = 60 },
            async (tenant, token) =>
            {
                var owners = await engine.Sessions.ReadAsync(
                    tenant,
                    async (session, inner) =>
                    {
                        await using var batch = session.CreateBatch().Add("SELECT tenant_id, title FROM documents");
                        await using var reader = await batch.ReadAsync(inner);
                        var rows = new List<(Guid, string)>();
                        while (await reader.ReadAsync(inner))
                        {
                            rows.Add((reader.GetGuid(0), reader.GetString(1)));
                        }

                        return rows;
                    },
                    token
                );
                Assert.Equal([(tenant.Id.Value, tenant.Slug)], owners);
                await AskForAForeignRowAsync(engine, tenants, tenant, token);
            }
        );
        Assert.True(engine.Registry.Charged <= 4);
    }

    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task Attack_6_A_gate_inside_another_tenants_transaction_decides_alone(IsolationModel model)
    {
        var (victim, _) = await ground.PairAsync(model);
        var other = await ground.Platform.PlaceAsync(IsolationModel.Shared);
        if (model is not IsolationModel.Shared)
        {
            other = victim; // nobody else lives there: then the same tenant enters twice
        }

        await using var session = await ground.Platform.OpenAsync(victim, SessionRole.App);
        await session.ExecuteAsync("BEGIN");
        await EnterAsync("enter_write", victim);
        await session.ExecuteAsync("SAVEPOINT inner_scope");
        await EnterAsync("enter_read", other);
        Assert.Equal(
            other.Id.ToString(),
            await session.AskAsync<string>("SELECT current_setting('app.current_tenant')")
        );
        // It entered to read: the outer scope's right to write is not inherited.
        await session.ExecuteAsync("SAVEPOINT attack");
        await session.RefusedAsync(
            PostgresErrorCodes.InsufficientPrivilege,
            AttackGround.InsertDocument,
            SqlValue.Of(other.Id.Value),
            SqlValue.Of(Guid.CreateVersion7()),
            SqlValue.Of("planted")
        );
        await session.ExecuteAsync("ROLLBACK TO SAVEPOINT inner_scope");
        Assert.Equal(
            victim.Id.ToString(),
            await session.AskAsync<string>("SELECT current_setting('app.current_tenant')")
        );
        Assert.Equal(
            1,
            await session.ExecuteAsync(
                AttackGround.InsertDocument,
                SqlValue.Of(victim.Id.Value),
                SqlValue.Of(Guid.CreateVersion7()),
                SqlValue.Of("mine")
            )
        );

        Task<int> EnterAsync(string gate, Tenant tenant) =>
            session.ExecuteAsync(
                $"SELECT tenantdocs.{gate}($1, $2)",
                SqlValue.Of(tenant.Id.Value),
                SqlValue.Of(tenant.Placement.Epoch)
            );
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_8_Work_that_outlives_its_unit_of_work_has_no_connection(IsolationModel model)
    {
        var (victim, _) = await ground.PairAsync(model);
        TenantSession? kept = null;
        await ground.Sessions.ReadAsync(
            victim,
            async (session, token) =>
            {
                kept = session;
                await using var batch = session.CreateBatch().Add("SELECT count(*) FROM documents");
                return await batch.ExecuteAsync(token); // inside: it works
            },
            AttackGround.Stop
        );

        await Assert.ThrowsAnyAsync<InvalidOperationException>(async () =>
        {
            await using var batch = kept!.CreateBatch().Add("SELECT count(*) FROM documents");
            await batch.ExecuteAsync(AttackGround.Stop);
        });
    }

    // The session of a tenant that is handed another tenant's id by mistake, in text and parameter alike.
    private static async Task AskForAForeignRowAsync(
        OwnEngine engine,
        List<Tenant> tenants,
        Tenant tenant,
        CancellationToken cancellation
    )
    {
        var foreign = tenants.First(t => t.Id != tenant.Id);
        var misrouted = tenant with { Placement = foreign.Placement };
        if (tenant.Placement.Isolation is IsolationModel.Shared)
        {
            Assert.Equal(
                0,
                await engine.Sessions.AskAsync<long>(
                    tenant,
                    "SELECT count(*) FROM documents WHERE tenant_id = $1",
                    SqlValue.Of(foreign.Id.Value)
                )
            );
            return;
        }

        var seen = await Record.ExceptionAsync(() =>
            engine.Sessions.ReadAsync(
                misrouted,
                async (session, token) =>
                {
                    await using var batch = session
                        .CreateBatch()
                        .Add(
                            $"SELECT count(*) FROM {foreign.Placement.Schema.Quoted}.documents WHERE tenant_id = $1",
                            SqlValue.Of(foreign.Id.Value)
                        );
                    await using var reader = await batch.ReadAsync(token);
                    await reader.ReadAsync(token);
                    Assert.Equal(0, reader.GetInt64(0));
                    return 0;
                },
                cancellation
            )
        );
        // In a database that holds no fence for it the gate refuses, and the right home has no such schema.
        Assert.True(seen is null or PostgresException { SqlState: PostgresErrorCodes.UndefinedTable }, $"{seen}");
    }

    private OwnEngine OneConnection() => new(ground.Platform, o => o.MaxConnectionsPerDatabase = 1);
}
