using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Isolation;

namespace TenantDocs.PostgresTests.Behaviour;

/// <summary>Why <see cref="TenantContexts"/> gives and takes session and connection itself.</summary>
[Collection(nameof(AttackGround))]
public sealed class ContextPoolTests(AttackGround ground)
{
    private sealed class Plain(DbContextOptions<Plain> options) : DbContext(options);

    [Fact]
    public async Task A_pooled_context_comes_back_with_the_connection_of_the_one_who_had_it_before()
    {
        var (tenant, _) = await ground.PairAsync(IsolationModel.Shared);
        await using var services = new ServiceCollection()
            .AddPooledDbContextFactory<Plain>(o => o.UseNpgsql(), poolSize: 1)
            .BuildServiceProvider();
        var factory = services.GetRequiredService<IDbContextFactory<Plain>>();
        await using var connection = await ground.Platform.OpenAsync(tenant, SessionRole.App);
        await using (var first = await factory.CreateDbContextAsync(AttackGround.Stop))
        {
            first.Database.SetDbConnection(connection, contextOwnsConnection: false);
        }

        await using var second = await factory.CreateDbContextAsync(AttackGround.Stop);
        Assert.Same(connection, second.Database.GetDbConnection()); // nobody gave it that
    }

    [Fact]
    public async Task Our_lease_takes_it_away()
    {
        var (tenant, _) = await ground.PairAsync(IsolationModel.Shared);
        await using var connection = await ground.Platform.OpenAsync(tenant, SessionRole.App);
        var contexts = ground.Platform.Get<TenantContexts>();
        TenantDbContext context;
        await using (var lease = contexts.Rent(new TenantSession(connection, tenant, SessionMode.Read)))
        {
            context = lease.Context;
            Assert.Same(connection, context.Database.GetDbConnection());
        }

        Assert.Throws<TenantIsolationException>(() => context.TenantId);
        var factory = ground.Platform.Services.GetRequiredService<IDbContextFactory<TenantDbContext>>();
        await using var next = await factory.CreateDbContextAsync(AttackGround.Stop);
        Assert.NotSame(connection, next.Database.GetDbConnection());
        Assert.IsType<NpgsqlConnection>(next.Database.GetDbConnection());
    }
}
