using System.Collections.Concurrent;
using System.Diagnostics;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>The connection budget: attack 29, and the registry's half of attack 28.</summary>
[Collection(nameof(AttackGround))]
public sealed class DataSourceRegistryTests(AttackGround ground)
{
    [Fact]
    public async Task Attack_29_Many_databases_at_once_stay_within_the_budget_on_the_server_too()
    {
        var tenants = await PlaceAsync(IsolationModel.Database, 10);
        await using var engine = Engine(budget: 4, perDatabase: 4, seconds: 60);
        await using var watcher = await ground.Platform.OpenAsync(tenants[0], SessionRole.Admin);
        using var done = new CancellationTokenSource();
        var watching = WatchAsync();
        var random = new Random(29);
        var picks = Enumerable.Range(0, 200).Select(_ => tenants[random.Next(tenants.Count)]).ToList();

        await Parallel.ForEachAsync(
            picks,
            new ParallelOptions { MaxDegreeOfParallelism = 40 },
            async (tenant, _) =>
                Assert.Equal(
                    tenant.Placement.Database.Name,
                    await engine.Sessions.AskAsync<string>(tenant, "SELECT current_database()::text")
                )
        );

        await done.CancelAsync();
        var (charged, open) = await watching;
        Assert.InRange(charged, 1, 4);
        // A backend that was told to go takes a moment to be gone, and is counted by the server until then. Without a budget
        // there would be 40.
        Assert.InRange(open, 1, 30);
        await watcher.UntilAsync(OpenInAny, n => n <= 4, Own());

        async Task<(int, long)> WatchAsync()
        {
            var (most, mostOpen) = (0, 0L);
            while (!done.IsCancellationRequested)
            {
                most = Math.Max(most, engine.Registry.Charged);
                mostOpen = Math.Max(mostOpen, await watcher.AskAsync<long>(OpenInAny, Own()));
            }

            return (most, mostOpen);
        }

        // Nobody but this engine uses them.
        Npgsql.NpgsqlParameter Own() => SqlValue.Of(tenants.Select(t => t.Placement.Database.Name).ToArray());
    }

    [Fact]
    public async Task A_spent_budget_is_taken_from_the_least_recently_used_idle_pool()
    {
        var tenants = await PlaceAsync(IsolationModel.Database, 5);
        await using var engine = Engine(budget: 4, perDatabase: 4);
        foreach (var tenant in tenants.Take(4))
        {
            await using var lease = await engine.RentAsync(tenant);
        }

        await using (await engine.RentAsync(tenants[0])) { } // used again: now the second one is the oldest
        Assert.Equal(4, engine.Registry.Charged);

        await using var fifth = await engine.RentAsync(tenants[4]);

        Assert.Equal(4, engine.Registry.Charged);
        await using var watcher = await ground.Platform.OpenAsync(tenants[0], SessionRole.Admin);
        await watcher.UntilAsync(OpenIn, n => n == 0, SqlValue.Of(tenants[1].Placement.Database.Name));
        foreach (var kept in new[] { tenants[0], tenants[2], tenants[3], tenants[4] })
        {
            Assert.Equal(1, await watcher.AskAsync<long>(OpenIn, SqlValue.Of(kept.Placement.Database.Name)));
        }
    }

    [Fact]
    public async Task Who_waits_longest_is_served_first_and_who_holds_some_waits_for_its_own()
    {
        var tenants = await PlaceAsync(IsolationModel.Database, 3);
        await using var engine = Engine(budget: 4, perDatabase: 4, seconds: 60);
        var held = new Stack<ConnectionLease>();
        for (var i = 0; i < 4; i++)
        {
            held.Push(await engine.RentAsync(tenants[0]));
        }

        var served = new ConcurrentQueue<int>();
        var waiting = new List<Task>();
        var (since, fourth) = (Stopwatch.GetTimestamp(), TimeSpan.Zero);
        for (var i = 0; i < 6; i++)
        {
            waiting.Add(WaitAsync(i, engine.RentAsync(tenants[i % 3])));
        }

        Assert.Empty(served);
        await held.Pop().DisposeAsync();
        await Task.WhenAll(waiting);

        // The fourth is of the database that held all: it gets what the others have left unused, or what a second passed over.
        Assert.Equal([0, 1, 2, 4, 5], served.Where(s => s != 3));
        Assert.True(served.Last() == 3 || fourth >= DataSourceRegistry.Unused);
        while (held.TryPop(out var lease))
        {
            await lease.DisposeAsync();
        }

        async Task WaitAsync(int place, ValueTask<ConnectionLease> renting)
        {
            await using var lease = await renting;
            served.Enqueue(place);
            if (place == 3)
            {
                fourth = Stopwatch.GetElapsedTime(since);
            }
        }
    }

    [Fact]
    public async Task Busy_databases_do_not_take_each_others_connections()
    {
        var tenants = await PlaceAsync(IsolationModel.Database, 2);
        await using var engine = Engine(budget: 4, perDatabase: 4, seconds: 60);
        var (one, two) = (new List<ConnectionLease>(), new List<ConnectionLease>());
        for (var i = 0; i < 2; i++)
        {
            one.Add(await engine.RentAsync(tenants[0]));
            two.Add(await engine.RentAsync(tenants[1]));
        }

        await two[0].DisposeAsync();
        await using (await engine.RentAsync(tenants[1])) { } // in use a moment ago
        var third = engine.RentAsync(tenants[0]).AsTask();
        Assert.False(third.IsCompleted);

        // One of its own serves it at once,
        await one[0].DisposeAsync();
        await using (await third.WaitAsync(TimeSpan.FromSeconds(20), AttackGround.Stop)) { }

        // and what the other has left unused does after a while.
        one[0] = await engine.RentAsync(tenants[0]);
        await using (await engine.RentAsync(tenants[0]).AsTask().WaitAsync(TimeSpan.FromSeconds(20), AttackGround.Stop))
        {
            Assert.Equal(4, engine.Registry.Charged);
        }

        one.Add(two[1]);
        one.ForEach(l => l.DisposeAsync().AsTask().Wait(AttackGround.Stop));
    }

    [Fact]
    public async Task A_database_at_its_own_limit_makes_nobody_else_wait()
    {
        var tenants = await PlaceAsync(IsolationModel.Database, 2);
        await using var engine = Engine(budget: 10, perDatabase: 2, seconds: 60);
        await using var first = await engine.RentAsync(tenants[0]);
        var second = await engine.RentAsync(tenants[0]);
        var third = engine.RentAsync(tenants[0]).AsTask();
        Assert.False(third.IsCompleted);

        await using var other = await engine
            .RentAsync(tenants[1])
            .AsTask()
            .WaitAsync(TimeSpan.FromSeconds(20), AttackGround.Stop);

        Assert.False(third.IsCompleted);
        await second.DisposeAsync();
        await (await third).DisposeAsync();
    }

    [Fact]
    public async Task A_database_that_all_come_to_at_once_is_connected_to_by_two_at_a_time()
    {
        var tenant = (await PlaceAsync(IsolationModel.Database, 1))[0];
        await using var engine = Engine(budget: 10, perDatabase: 6, seconds: 60);

        var renting = Enumerable.Range(0, 6).Select(_ => engine.RentAsync(tenant).AsTask()).ToList();

        var (opening, open) = (engine.Registry.Charged, renting.Count(r => r.IsCompleted));
        Assert.InRange(opening, 1, 2 + open);
        // The control: nobody stays behind, and nobody shares one.
        var leases = await Task.WhenAll(renting);
        Assert.Equal(6, leases.Select(l => l.Connection.ProcessID).Distinct().Count());
        Assert.Equal(6, engine.Registry.Charged);
        foreach (var lease in leases)
        {
            await lease.DisposeAsync();
        }
    }

    [Fact]
    public async Task Who_waits_too_long_is_told_and_loses_nothing_to_the_budget()
    {
        var tenants = await PlaceAsync(IsolationModel.Database, 2);
        await using var engine = Engine(budget: 4, perDatabase: 4, seconds: 1);
        var held = new List<ConnectionLease>();
        for (var i = 0; i < 4; i++)
        {
            held.Add(await engine.RentAsync(tenants[0]));
        }

        await Assert.ThrowsAsync<ConnectionBudgetException>(() => engine.RentAsync(tenants[1]).AsTask());
        using var gone = new CancellationTokenSource();
        var leaving = engine.RentAsync(tenants[1], gone.Token).AsTask();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaving);
        held.ForEach(l => l.DisposeAsync().AsTask().Wait(AttackGround.Stop));

        for (var i = 0; i < 4; i++)
        {
            held[i] = await engine.RentAsync(tenants[1]);
        }

        Assert.Equal(4, engine.Registry.Charged);
        held.ForEach(l => l.DisposeAsync().AsTask().Wait(AttackGround.Stop));
    }

    [Fact]
    public async Task A_forgotten_database_is_closed_and_gives_its_budget_back()
    {
        var tenant = (await PlaceAsync(IsolationModel.Database, 1))[0];
        await using var engine = Engine(budget: 4, perDatabase: 4);
        var busy = await engine.RentAsync(tenant);
        await using (await engine.RentAsync(tenant)) { }
        Assert.Equal(2, engine.Registry.Charged);

        await engine.Registry.ForgetAsync(tenant.Placement.Server, tenant.Placement.Database);

        Assert.Equal((1, 0), (engine.Registry.Charged, engine.Registry.Count));
        Assert.Equal(1, await busy.Connection.AskAsync<int>("SELECT 1")); // what runs may finish
        await busy.DisposeAsync();
        Assert.Equal(0, engine.Registry.Charged);
        await using var watcher = await ground.Platform.OpenAsync(tenant, SessionRole.Admin);
        await watcher.UntilAsync(OpenIn, n => n == 0, SqlValue.Of(tenant.Placement.Database.Name));
        await using var again = await engine.RentAsync(tenant);
        Assert.Equal(1, engine.Registry.Charged);
    }

    [Fact]
    public async Task Attack_28_Concurrent_first_uses_and_evictions_never_hand_out_another_database()
    {
        var tenants = await PlaceAsync(IsolationModel.Database, 8);
        await using var engine = new OwnEngine(
            ground.Platform,
            o =>
            {
                o.MaxDataSources = 4;
                o.ConnectionBudget = 6;
                o.MaxConnectionsPerDatabase = 2;
                o.ConnectionTimeout = TimeSpan.FromMinutes(1);
            }
        );
        var random = new Random(28);
        var picks = Enumerable.Range(0, 200).Select(_ => tenants[random.Next(tenants.Count)]).ToList();
        await Parallel.ForEachAsync(
            picks,
            new ParallelOptions { MaxDegreeOfParallelism = 24 },
            async (tenant, _) =>
            {
                await using var lease = await engine.RentAsync(tenant);
                Assert.Equal(tenant.Placement.Database.Name, lease.Connection.Database);
                Assert.Equal(
                    tenant.Placement.Database.Name,
                    await lease.Connection.AskAsync<string>("SELECT current_database()::text")
                );
            }
        );
        Assert.InRange(engine.Registry.Charged, 0, 6);
    }

    [Fact(Explicit = true)]
    [Trait("Category", "Slow")]
    public async Task Attack_29_Hundreds_of_tenants_at_random_within_a_budget_of_sixty()
    {
        var tenants = await PlaceAsync(IsolationModel.Database, 150);
        tenants.AddRange(await PlaceAsync(IsolationModel.Schema, 300));
        await using var engine = Engine(budget: 60, perDatabase: 40, seconds: 60);
        var random = new Random(290);
        var picks = Enumerable.Range(0, 1000).Select(_ => tenants[random.Next(tenants.Count)]).ToList();
        await Parallel.ForEachAsync(
            picks,
            new ParallelOptions { MaxDegreeOfParallelism = 100 },
            async (tenant, _) =>
            {
                var id = await engine.Sessions.WriteDocumentAsync(tenant);
                Assert.Equal(1, await engine.Sessions.CountAsync(tenant, id));
                Assert.InRange(engine.Registry.Charged, 1, 60);
            }
        );
        await using var watcher = await ground.Platform.OpenAsync(tenants[0], SessionRole.Admin);
        await watcher.UntilAsync(Open, n => n <= 60 + 20, Prefix()); // 20: the platform's own pools
    }

    private const string Open =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tenantdocs-app' AND starts_with(datname, $1)";

    private const string OpenInAny =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tenantdocs-app' AND datname = ANY ($1)";

    private const string OpenIn =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tenantdocs-app' AND datname = $1";

    private Npgsql.NpgsqlParameter Prefix() => SqlValue.Of(ground.Platform.Get<DatabaseNames>().Prefix + "_t_");

    private OwnEngine Engine(int budget, int perDatabase, int seconds = 20) =>
        new(
            ground.Platform,
            o =>
            {
                o.ConnectionBudget = budget;
                o.MaxConnectionsPerDatabase = perDatabase;
                o.ConnectionTimeout = TimeSpan.FromSeconds(seconds);
            }
        );

    private async Task<List<Tenant>> PlaceAsync(IsolationModel model, int count)
    {
        var tenants = new List<Tenant>();
        for (var i = 0; i < count; i++)
        {
            tenants.Add(await ground.Platform.PlaceAsync(model));
        }

        return tenants;
    }
}
