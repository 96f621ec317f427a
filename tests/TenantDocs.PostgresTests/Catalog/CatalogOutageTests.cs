using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.PostgresTests.Isolation;
using TenantDocs.PostgresTests.Moves;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Catalog;

/// <summary>The catalog does not answer, as while it fails over; the tenants' servers do.</summary>
public sealed class CatalogOutageTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;

    private Platform _platform = null!;
    private PostgresProxy _network = null!;

    private TenantRoutes Routes => _platform.Get<TenantRoutes>();

    private ApiKeyRing Keys => _platform.Get<ApiKeyRing>();

    public async ValueTask InitializeAsync()
    {
        var server = await postgres.ServerConnectionString(0);
        _network = new PostgresProxy(server, _ => true);
        _platform = await Platform.StartAsync(
            _network.ConnectionString,
            [server],
            new Dictionary<string, string?>
            {
                ["Catalog:RouteLifetimeWithoutNotifications"] = "00:00:00.050",
                ["Catalog:RouteLifetimeWithoutCatalog"] = "01:00:00",
            }
        );
    }

    public async ValueTask DisposeAsync()
    {
        _network.Release();
        await _platform.DisposeAsync();
        await _network.DisposeAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Tenants_and_keys_that_are_known_are_served_while_the_catalog_does_not_answer(bool isSilent)
    {
        var tenant = await _platform.NewTenantAsync(IsolationModel.Shared);
        var hash = await NewKeyAsync(tenant);
        await KnownAsync(tenant, hash);
        var strict = Strict();
        Assert.NotNull(await strict.FindAsync(tenant.Id, None));

        _network.Hold();
        if (!isSilent)
        {
            _network.Cut(); // and who connects anew is not answered
        }

        await ListeningAsync(false);

        for (var i = 0; i < 20; i++)
        {
            await Task.Delay(60, TestContext.Current.CancellationToken); // longer than a route lives
            var found = await Routes.FindBySlugAsync(tenant.Slug, None);
            Assert.Equal(tenant.Id, found?.Id);
            Assert.Equal(tenant.Id, (await Routes.FindAsync(tenant.Id, None))?.Id);
            Assert.Equal(tenant.Id, (await Keys.FindAsync(hash, None))?.Tenant);
            Assert.Equal(0, await _platform.Sessions.AskAsync<long>(found!, "SELECT count(*) FROM documents"));
        }

        Assert.True(_platform.Get<CatalogNews>().IsBelievedWithoutCatalog);
        // The controls: where that is switched off, the outage is everybody's; and who is not known is not let in.
        Assert.False(await IsAnsweredAsync(strict.FindAsync(tenant.Id, None).AsTask()));
        Assert.False(await IsAnsweredAsync(Keys.FindAsync(ApiKeyHash.Of("td_unknown"), None).AsTask()));
    }

    [Fact]
    public async Task What_changed_is_seen_when_the_catalog_answers_again()
    {
        var tenant = await _platform.NewTenantAsync(IsolationModel.Shared);
        var hash = await NewKeyAsync(tenant);
        await KnownAsync(tenant, hash);
        _network.Hold();
        await ListeningAsync(false);
        await Task.Delay(60, TestContext.Current.CancellationToken);
        Assert.NotNull(await Keys.FindAsync(hash, None));

        // As another node does that reaches the catalog.
        var settings = new NpgsqlConnectionStringBuilder(await postgres.ServerConnectionString(0))
        {
            Database = _platform.Catalog.Name,
            Pooling = false,
        };
        await using (var other = new NpgsqlConnection(settings.ConnectionString))
        {
            await other.OpenAsync(None);
            Assert.Equal(1, await other.ExecuteAsync("UPDATE catalog.api_keys SET revoked_at = now()"));
        }

        Assert.NotNull(await Keys.FindAsync(hash, None));

        _network.Release();

        await UntilAsync(async () => await Keys.FindAsync(hash, None) is null);
    }

    // Answers within seconds, or with a fault of the connection.
    private static async Task<bool> IsAnsweredAsync<T>(Task<T> reading)
    {
        try
        {
            await reading.WaitAsync(TimeSpan.FromSeconds(2), None);
            return true;
        }
        catch (Exception e) when (e is TimeoutException or NpgsqlException)
        {
            return false;
        }
    }

    // Heard, and not about to be forgotten: what was said when they were made has arrived.
    private Task KnownAsync(Tenant tenant, ApiKeyHash hash) =>
        UntilAsync(async () =>
        {
            var news = _platform.Get<CatalogNews>();
            var (route, key) = (await Routes.FindBySlugAsync(tenant.Slug, None), await Keys.FindAsync(hash, None));
            await Task.Delay(100, TestContext.Current.CancellationToken);
            return news.IsListening
                && ReferenceEquals(route, await Routes.FindBySlugAsync(tenant.Slug, None))
                && ReferenceEquals(key, await Keys.FindAsync(hash, None));
        });

    // Without notifications, and without belief.
    private TenantRoutes Strict() =>
        new(
            _platform.Get<TenantCatalog>(),
            new CatalogNews(
                Options.Create(
                    new CatalogOptions
                    {
                        RouteLifetimeWithoutNotifications = TimeSpan.FromMilliseconds(50),
                        RouteLifetimeWithoutCatalog = TimeSpan.Zero,
                    }
                ),
                TimeProvider.System,
                NullLogger<CatalogNews>.Instance
            ),
            TimeProvider.System
        );

    private async Task<ApiKeyHash> NewKeyAsync(Tenant tenant)
    {
        var (_, key) = await _platform.Get<ApiKeys>().CreateAsync(tenant.Id, "test", "owner", null, null, "test", None);
        return ApiKeyHash.Of(key);
    }

    private Task ListeningAsync(bool isListening) =>
        UntilAsync(() => Task.FromResult(_platform.Get<CatalogNews>().IsListening == isListening));

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var since = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(since) < TimeSpan.FromMinutes(1), "Not in time.");
            await Task.Delay(20);
        }
    }
}
