using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;
using TenantDocs.Provisioning;

namespace TenantDocs.PostgresTests.Catalog;

public sealed class TenantRoutesTests(PostgresFixture postgres) : IAsyncLifetime
{
    private Platform _platform = null!;

    private TenantRoutes Routes => _platform.Get<TenantRoutes>();

    public async ValueTask InitializeAsync()
    {
        var server = await postgres.ServerConnectionString(0);
        _platform = await Platform.StartAsync(server, [server]);
    }

    public ValueTask DisposeAsync() => _platform.DisposeAsync();

    [Fact]
    public async Task A_route_is_remembered_until_the_catalog_says_that_it_changed()
    {
        var tenant = await _platform.NewTenantAsync(IsolationModel.Shared);
        await UntilAsync(() => Task.FromResult(_platform.Get<CatalogNews>().IsListening));
        var first = await Routes.FindBySlugAsync(tenant.Slug, CancellationToken.None);
        Assert.Same(first, await Routes.FindBySlugAsync(tenant.Slug, CancellationToken.None));

        await RenameAsync(tenant, "changed");

        await UntilAsync(async () =>
            (await Routes.FindBySlugAsync(tenant.Slug, CancellationToken.None))?.Name == "changed"
        );
    }

    [Fact]
    public async Task Without_notifications_a_change_is_seen_within_two_seconds_all_the_same()
    {
        var tenant = await _platform.NewTenantAsync(IsolationModel.Shared);
        // No listener knows of these.
        var deaf = new TenantRoutes(
            _platform.Get<TenantCatalog>(),
            new CatalogNews(
                _platform.Get<IOptions<CatalogOptions>>(),
                TimeProvider.System,
                NullLogger<CatalogNews>.Instance
            ),
            TimeProvider.System
        );
        Assert.NotEqual("changed", (await deaf.FindAsync(tenant.Id, CancellationToken.None))?.Name);

        var start = Stopwatch.GetTimestamp();
        await RenameAsync(tenant, "changed");
        await UntilAsync(async () => (await deaf.FindAsync(tenant.Id, CancellationToken.None))?.Name == "changed");

        // The promise of the contract is two seconds, by the route's lifetime of one; a loaded machine gets some more. While
        // notifications arrive, the lifetime is minutes.
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task The_listener_comes_back_after_its_connection_was_cut()
    {
        await UntilAsync(() => Task.FromResult(_platform.Get<CatalogNews>().IsListening));

        await CutListenersAsync();

        await UntilAsync(async () => await CountListenersAsync() == 1 && _platform.Get<CatalogNews>().IsListening);
    }

    [Fact]
    public async Task An_unknown_slug_is_not_remembered_as_unknown()
    {
        var slug = $"u-{Guid.NewGuid():n}"[..20];
        Assert.Null(await Routes.FindBySlugAsync(slug, CancellationToken.None));

        var tenant = await _platform.NewTenantAsync(IsolationModel.Shared, slug);

        Assert.Equal(tenant.Id, (await Routes.FindBySlugAsync(slug, CancellationToken.None))?.Id);
    }

    [Fact]
    public async Task A_purged_tenant_that_is_still_asked_for_by_id_does_not_take_the_slug_from_its_successor()
    {
        var slug = $"u-{Guid.NewGuid():n}"[..20];
        var first = await _platform.NewTenantAsync(IsolationModel.Shared, slug);
        var lifecycle = _platform.Get<TenantLifecycle>();
        await lifecycle.DeleteAsync(slug, CancellationToken.None);
        var purge = await lifecycle.PurgeAsync(slug, "tests", CancellationToken.None);
        await _platform
            .Get<OperationRequests>()
            .WaitAsync(purge.Value, TimeSpan.FromMinutes(1), CancellationToken.None);
        var second = await _platform.NewTenantAsync(IsolationModel.Shared, slug);
        Assert.Equal(second.Id, (await Routes.FindBySlugAsync(slug, CancellationToken.None))?.Id);

        var purged = await Routes.FindAsync(first.Id, CancellationToken.None);

        // The control: it is found, as what it is.
        Assert.Equal((slug, TenantStatus.Purged), (purged!.Slug, purged.Status));
        Assert.Equal(second.Id, (await Routes.FindBySlugAsync(slug, CancellationToken.None))?.Id);
    }

    private async Task RenameAsync(Tenant tenant, string name)
    {
        await using var command = _platform.Catalog.Source.CreateCommand("UPDATE tenants SET name = $2 WHERE id = $1");
        command.Parameters.Add(SqlValue.Of(tenant.Id.Value));
        command.Parameters.Add(SqlValue.Of(name));
        Assert.Equal(1, await command.ExecuteNonQueryAsync());
    }

    private async Task CutListenersAsync()
    {
        await using var command = _platform.Catalog.Source.CreateCommand(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tenantdocs-listener'"
        );
        await command.ExecuteNonQueryAsync();
    }

    private async Task<long> CountListenersAsync()
    {
        await using var command = _platform.Catalog.Source.CreateCommand(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tenantdocs-listener'"
        );
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var deadline = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.True(
                Stopwatch.GetElapsedTime(deadline) < TimeSpan.FromSeconds(20),
                "The condition did not come true in time."
            );
            await Task.Delay(20);
        }
    }
}
