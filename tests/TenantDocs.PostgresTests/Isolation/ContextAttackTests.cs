using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Documents;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>Attacks through EF Core: pooled contexts, ways around the filter, ways around the gate.</summary>
[Collection(nameof(AttackGround))]
public sealed class ContextAttackTests(AttackGround ground)
{
    private static readonly Func<TenantDbContext, Guid, IAsyncEnumerable<DocumentRow>> Compiled = EF.CompileAsyncQuery(
        (TenantDbContext context, Guid id) => context.Set<DocumentRow>().Where(d => d.Id == id)
    );

    [Fact]
    public async Task Attack_5_and_7_A_context_without_a_unit_of_work_sends_nothing()
    {
        var factory = ground.Platform.Services.GetRequiredService<IDbContextFactory<TenantDbContext>>();
        await using var context = await factory.CreateDbContextAsync(AttackGround.Stop);
        // No connection, no tenant: it fails before there is anything that could be sent to.
        await Assert.ThrowsAsync<TenantIsolationException>(() =>
            context.Set<DocumentRow>().ToListAsync(AttackGround.Stop)
        );
        await Assert.ThrowsAnyAsync<Exception>(() =>
            context.Set<DocumentRow>().IgnoreQueryFilters().ToListAsync(AttackGround.Stop)
        );
        await Assert.ThrowsAnyAsync<Exception>(() =>
            context.Database.ExecuteSqlAsync($"DELETE FROM documents", AttackGround.Stop)
        );
        Assert.Throws<ArgumentNullException>(() => ground.Platform.Get<TenantContexts>().Rent(null!));
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_7_A_context_that_was_used_before_has_forgotten_whom_it_served(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        var id = await ground.WriteAsync(victim);
        var contexts = ground.Platform.Get<TenantContexts>();
        TenantDbContext? pooled = null;
        Assert.Equal(1, await CountAsync(victim));

        await Assert.ThrowsAsync<ObjectDisposedException>(() =>
            pooled!.Set<DocumentRow>().CountAsync(d => d.Id == id, AttackGround.Stop)
        );
        Assert.Equal(0, await CountAsync(attacker));
        Assert.Equal(1, await CountAsync(victim));

        Task<int> CountAsync(Tenant tenant) =>
            ground.Sessions.ReadAsync(
                tenant,
                async (session, token) =>
                {
                    await using var lease = contexts.Rent(session);
                    pooled = lease.Context;
                    Assert.Equal(tenant.Id.Value, pooled.TenantId);
                    return await pooled.Set<DocumentRow>().CountAsync(d => d.Id == id, token);
                },
                AttackGround.Stop
            );
    }

    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task Attack_9_and_10_No_form_of_query_shows_a_foreign_row(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        var id = await ground.WriteAsync(victim);
        await TagAsync(victim, id);
        var everything = $"SELECT * FROM {victim.Placement.Schema.Quoted}.documents";
        (string Name, Func<TenantDbContext, CancellationToken, Task<int>> Ask)[] queries =
        [
            ("filter", (c, t) => c.Set<DocumentRow>().CountAsync(d => d.Id == id, t)),
            ("no filter", (c, t) => c.Set<DocumentRow>().IgnoreQueryFilters().CountAsync(d => d.Id == id, t)),
            (
                "no filter, list",
                async (c, t) =>
                    (await c.Set<DocumentRow>().IgnoreQueryFilters().Where(d => d.Id == id).ToListAsync(t)).Count
            ),
            ("compiled", async (c, t) => await Compiled(c, id).CountAsync(t)),
            (
                "raw",
                (c, t) =>
                    c.Set<DocumentRow>().FromSqlRaw(everything).IgnoreQueryFilters().CountAsync(d => d.Id == id, t)
            ),
            (
                "scalar",
                async (c, t) =>
                    (
                        await c
                            .Database.SqlQuery<Guid>($"SELECT id AS \"Value\" FROM documents WHERE id = {id}")
                            .ToListAsync(t)
                    ).Count
            ),
            (
                "join",
                (c, t) =>
                    c.Set<DocumentRow>()
                        .IgnoreQueryFilters()
                        .Join(c.Set<DocumentTagRow>().IgnoreQueryFilters(), d => d.Id, g => g.DocumentId, (d, g) => d)
                        .CountAsync(d => d.Id == id, t)
            ),
            (
                "foreign id as value",
                (c, t) =>
                    c.Set<DocumentRow>()
                        .IgnoreQueryFilters()
                        .CountAsync(d => d.TenantId == victim.Id.Value && d.Id == id, t)
            ),
        ];
        foreach (var (name, ask) in queries)
        {
            Assert.Equal((name, 1), (name, await OnPlaceAsync(victim, ask)));
            Assert.Equal((name, 0), (name, await OnPlaceAsync(attacker, ask)));
        }

        // In the shared model the front door already leads to the victim's place. In the others the attacker is put there.
        async Task<int> OnPlaceAsync(Tenant tenant, Func<TenantDbContext, CancellationToken, Task<int>> ask)
        {
            var place = victim.Placement with { Epoch = tenant.Placement.Epoch };
            var misrouted = tenant with { Placement = place };
            if (model is not IsolationModel.Shared && tenant.Id != victim.Id)
            {
                await ground.Platform.FenceAsync(tenant.Id, place, "active", "readWrite");
            }

            try
            {
                return await ground.Sessions.ReadAsync(
                    misrouted,
                    async (session, token) =>
                    {
                        await using var lease = ground.Platform.Get<TenantContexts>().Rent(session);
                        return await ask(lease.Context, token);
                    },
                    AttackGround.Stop
                );
            }
            finally
            {
                // In the schema model both homes are one database, and so one fence; in the database model there are two.
                if (model is not IsolationModel.Shared && tenant.Id != victim.Id)
                {
                    var (home, state) =
                        model is IsolationModel.Schema ? (tenant.Placement, "active") : (place, "moved");
                    await ground.Platform.FenceAsync(tenant.Id, home, state, "readWrite");
                }
            }
        }
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_9_What_writes_or_blocks_is_refused_whatever_its_form(IsolationModel model)
    {
        var (victim, _) = await ground.PairAsync(model);
        var id = await ground.WriteAsync(victim);
        Func<TenantDbContext, CancellationToken, Task>[] writes =
        [
            (c, t) => c.Set<DocumentRow>().Where(d => d.Id == id).ExecuteDeleteAsync(t),
            (c, t) =>
                c.Set<DocumentRow>()
                    .Where(d => d.Id == id)
                    .ExecuteUpdateAsync(s => s.SetProperty(d => d.CreatedBy, "x"), t),
            (c, t) => c.Database.ExecuteSqlAsync($"DELETE FROM documents WHERE id = {id}", t),
            (c, t) => Task.Run(() => c.Database.ExecuteSql($"DELETE FROM documents"), t),
            (c, t) => Task.Run(() => c.Set<DocumentRow>().ToList(), t),
            (c, t) => Task.Run(() => c.SaveChanges(), t),
            (c, t) => c.SaveChangesAsync(t),
        ];
        foreach (var mode in Enum.GetValues<SessionMode>())
        {
            foreach (var write in writes)
            {
                var refusal = await Record.ExceptionAsync(() => RunAsync(mode, write));
                Assert.True(refusal is TenantIsolationException or NotSupportedException, $"{refusal}");
            }
        }

        Assert.Equal(1, await ground.CountAsync(victim, id));
        // A read may still carry a write in its text; the policy knows that it passed no write gate.
        var planted = await Record.ExceptionAsync(() =>
            RunAsync(
                SessionMode.Read,
                (c, t) =>
                    c
                        .Database.SqlQuery<Guid>(
                            $"UPDATE documents SET title = 'x' WHERE id = {id} RETURNING id AS \"Value\""
                        )
                        .ToListAsync(t)
            )
        );
        Assert.Equal("42501", Assert.IsType<Npgsql.PostgresException>(planted).SqlState);

        Task RunAsync(SessionMode mode, Func<TenantDbContext, CancellationToken, Task> write)
        {
            return mode is SessionMode.Read
                ? ground.Sessions.ReadAsync(victim, WorkAsync, AttackGround.Stop)
                : ground.Sessions.WriteAsync(victim, WorkAsync, AttackGround.Stop);

            async Task<int> WorkAsync(TenantSession session, CancellationToken token)
            {
                await using var lease = ground.Platform.Get<TenantContexts>().Rent(session);
                await write(lease.Context, token);
                return 0;
            }
        }
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task A_query_that_fails_after_the_gate_leaves_its_unit_of_work_usable(IsolationModel model)
    {
        var (victim, _) = await ground.PairAsync(model);
        var id = await ground.WriteAsync(victim);
        var count = await ground.Sessions.ReadAsync(
            victim,
            async (session, token) =>
            {
                await using var lease = ground.Platform.Get<TenantContexts>().Rent(session);
                var context = lease.Context;
                await Assert.ThrowsAnyAsync<Exception>(() =>
                    context.Database.SqlQuery<int>($"SELECT 1 / 0 AS \"Value\"").ToListAsync(token)
                );
                return await context.Set<DocumentRow>().CountAsync(d => d.Id == id, token);
            },
            AttackGround.Stop
        );
        Assert.Equal(1, count);
    }

    private Task<int> TagAsync(Tenant tenant, Guid id) =>
        ground.Sessions.WriteAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session
                    .CreateBatch()
                    .Add(
                        "INSERT INTO document_tags (tenant_id, tag, document_id) VALUES ($1, 'tag', $2)",
                        SqlValue.Of(tenant.Id.Value),
                        SqlValue.Of(id)
                    );
                return await batch.ExecuteAsync(token);
            },
            AttackGround.Stop
        );
}
