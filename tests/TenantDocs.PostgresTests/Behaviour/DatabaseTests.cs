using System.Diagnostics;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Isolation;

namespace TenantDocs.PostgresTests.Behaviour;

/// <summary>Facts about databases and data sources that ServerBootstrap, provisioning and DataSourceRegistry lean on.</summary>
[Collection(nameof(AttackGround))]
public sealed class DatabaseTests(AttackGround ground)
{
    /// <summary>Relied on by ServerBootstrap.DatabaseGrantsSql, which is run for each database.</summary>
    [Fact]
    public async Task Grants_on_a_database_are_not_copied_from_its_template()
    {
        var names = ground.Platform.Get<DatabaseNames>();
        var copy = new PgIdentifier($"{names.Prefix}_copy");
        await using var admin = await AdminAsync();
        const string Open = """
            SELECT count(*) FROM pg_database AS d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
             WHERE d.datname = $1 AND a.grantee = 0
            """;
        await admin.ExecuteAsync($"CREATE DATABASE {copy.Quoted} TEMPLATE {names.TemplateDatabase.Quoted}");
        Assert.Equal(0, await admin.AskAsync<long>(Open, SqlValue.Of(names.TemplateDatabase.Name)));
        Assert.NotEqual(0, await admin.AskAsync<long>(Open, SqlValue.Of(copy.Name)));
        await admin.ExecuteAsync(ServerBootstrap.DatabaseGrantsSql(copy));
        Assert.Equal(0, await admin.AskAsync<long>(Open, SqlValue.Of(copy.Name)));
    }

    /// <summary>Why the template allows no connections (ServerBootstrap.PrepareTemplateAsync).</summary>
    [Fact]
    [Trait("Category", "Slow")]
    public async Task A_template_in_use_makes_CREATE_DATABASE_wait_and_then_fail()
    {
        var names = ground.Platform.Get<DatabaseNames>();
        var template = new PgIdentifier($"{names.Prefix}_busy");
        await ground.Platform.CreateDatabaseAsync(template);
        await using var user = await ground.Platform.Servers.OpenAsync(
            "local-1",
            template,
            SessionRole.Admin,
            AttackGround.Stop
        );
        await using var admin = await AdminAsync();
        await using var watcher = await AdminAsync();
        var create = $"CREATE DATABASE {names.Prefix}_late TEMPLATE {template.Quoted}";
        // Fifty sleeps of 100 ms, each of which a signal to the backend (another database is dropped) cuts short: so the time
        // proves nothing but that it waited at all,
        var watch = Stopwatch.StartNew();
        await admin.RefusedAsync(PostgresErrorCodes.ObjectInUse, create);
        Assert.True(watch.Elapsed > TimeSpan.FromSeconds(0.5), $"It was refused after {watch.Elapsed}.");

        // and so does this: it succeeds when the user goes while it waits.
        var creating = admin.ExecuteAsync(create);
        await watcher.UntilAsync(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = $1",
            n => n == 1,
            SqlValue.Of(create)
        );
        await user.DisposeAsync();
        await creating;

        await Assert.ThrowsAsync<PostgresException>(() =>
            ground.Platform.Servers.OpenAsync("local-1", names.TemplateDatabase, SessionRole.Admin, AttackGround.Stop)
        );
    }

    /// <summary>Relied on by TenantSessions: a data source that is gone says so in a way that can be told from other faults.</summary>
    [Fact]
    public async Task A_disposed_data_source_names_itself_in_the_exception()
    {
        var (tenant, _) = await ground.PairAsync(IsolationModel.Shared);
        var source = NpgsqlDataSource.Create(
            ground.Platform.Servers.ConnectionString("local-1", tenant.Placement.Database, SessionRole.App)
        );
        await using (await source.OpenConnectionAsync(AttackGround.Stop)) { }
        await source.DisposeAsync();
        var refusal = await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
            await source.OpenConnectionAsync(AttackGround.Stop)
        );
        Assert.Equal("Npgsql.PoolingDataSource", refusal.ObjectName);
    }

    /// <summary>Relied on by the session lock rules: the engine takes transaction-level locks only.</summary>
    [Fact]
    public async Task A_session_lock_survives_in_the_pool_and_a_transaction_lock_does_not()
    {
        var (tenant, _) = await ground.PairAsync(IsolationModel.Shared);
        await using var engine = new OwnEngine(ground.Platform, o => o.MaxConnectionsPerDatabase = 1);
        await using var watcher = await ground.Platform.OpenAsync(tenant, SessionRole.Admin);
        foreach (var (function, left) in new[] { ("pg_advisory_lock", true), ("pg_advisory_xact_lock", false) })
        {
            await using (var lease = await engine.RentAsync(tenant))
            {
                await lease.Connection.ExecuteAsync($"SELECT {function}(815)");
            }

            Assert.Equal(!left, await watcher.AskAsync<bool>("SELECT pg_try_advisory_lock(815)"));
            await watcher.ExecuteAsync("SELECT pg_advisory_unlock_all()");
            await engine.Registry.ForgetAsync("local-1", tenant.Placement.Database);
            await watcher.UntilAsync("SELECT count(*) FROM pg_locks WHERE objid = 815", n => n == 0);
        }
    }

    private Task<NpgsqlConnection> AdminAsync() =>
        ground.Platform.Servers.OpenAsync(
            "local-1",
            new PgIdentifier("postgres"),
            SessionRole.Admin,
            AttackGround.Stop
        );
}
