using System.Diagnostics;
using System.Net;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.PostgresTests.Moves;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Http;

/// <summary>What clients and load balancers see while the catalog does not answer.</summary>
public sealed class OutageTests(OutageTests.Host host) : IClassFixture<OutageTests.Host>
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task Known_tenants_are_served_and_the_host_stays_ready_and_nobody_unknown_is_let_in()
    {
        var slug = $"o-{Guid.NewGuid():n}"[..20];
        using var create = new HttpRequestMessage(HttpMethod.Post, "/admin/v1/tenants")
        {
            Content = new StringContent($$"""{"slug":"{{slug}}","name":"O"}""", Encoding.UTF8, "application/json"),
        };
        create.Headers.Add("Prefer", "wait=60");
        var made = await host.SendAsync(create, HttpHost.BootstrapKey);
        Assert.True(made.StatusCode == HttpStatusCode.Created, await made.TextAsync());
        var key = await host.NewKeyAsync(await host.FindTenantAsync(slug), "editor");
        await KnownAsync(slug, key);

        host.Network.Hold();
        try
        {
            await UntilAsync(() => Task.FromResult(!host.Services.GetRequiredService<CatalogNews>().IsListening));

            Assert.Equal(HttpStatusCode.OK, (await host.GetAsync("/v1/documents", key)).StatusCode);
            Assert.Equal(HttpStatusCode.OK, (await host.GetAsync("/health/ready")).StatusCode);
            // The catalog is away indeed: who is not known can only be told to come again.
            await (await host.GetAsync("/v1/documents", "td_nobody_knows_this_key")).ShouldBeAsync(503, "unavailable");
        }
        finally
        {
            host.Network.Release();
        }

        await UntilAsync(async () =>
            (await host.GetAsync("/v1/documents", "td_nobody_knows_this_key")).StatusCode == HttpStatusCode.Unauthorized
        );
    }

    // What was said when they were made has arrived, and is not about to be forgotten.
    private Task KnownAsync(string slug, string key) =>
        UntilAsync(async () =>
        {
            var (routes, keys) = (
                host.Services.GetRequiredService<TenantRoutes>(),
                host.Services.GetRequiredService<ApiKeyRing>()
            );
            Assert.Equal(HttpStatusCode.OK, (await host.GetAsync("/v1/documents", key)).StatusCode);
            var (route, known) = (
                await routes.FindBySlugAsync(slug, None),
                await keys.FindAsync(ApiKeyHash.Of(key), None)
            );
            await Task.Delay(100, TestContext.Current.CancellationToken);
            return host.Services.GetRequiredService<CatalogNews>().IsListening
                && ReferenceEquals(route, await routes.FindBySlugAsync(slug, None))
                && ReferenceEquals(known, await keys.FindAsync(ApiKeyHash.Of(key), None));
        });

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var since = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(since) < TimeSpan.FromMinutes(1), "Not in time.");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>A host whose catalog is behind a network that can be silent; the tenants' server is not.</summary>
    public sealed class Host(PostgresFixture postgres) : HttpHost(postgres)
    {
        private PostgresProxy? _network;

        internal PostgresProxy Network => _network ?? throw new InvalidOperationException("Not started.");

        protected override async Task<Dictionary<string, string?>> SettingsAsync()
        {
            var settings = await base.SettingsAsync();
            _network = new PostgresProxy(await ServerAsync(0), _ => true);
            settings["ConnectionStrings:Catalog"] = _network.ConnectionString;
            settings["Catalog:RouteLifetimeWithoutCatalog"] = "01:00:00";
            return settings;
        }
    }
}
