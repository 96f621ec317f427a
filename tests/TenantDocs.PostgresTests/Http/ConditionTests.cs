using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using TenantDocs.Catalog;

namespace TenantDocs.PostgresTests.Http;

/// <summary>What a tenant's tier and condition mean for ordinary requests.</summary>
[Collection<OneHttpHost>]
public class ConditionTests(HttpHost host)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Too_many_requests_per_second_are_429_and_pass_again_soon()
    {
        var key = await KeyOfTierAsync("slow");
        var first = await host.GetAsync("/v1/me", key);
        Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        Assert.Equal("\"tenant\";q=5;w=1", first.Headers.GetValues("RateLimit-Policy").Single());
        Assert.Equal("\"tenant\";r=4;t=1", first.Headers.GetValues("RateLimit").Single());

        var many = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => host.GetAsync("/v1/me", key)));
        Assert.Contains(many, a => a.StatusCode is HttpStatusCode.OK);
        var refused = many.First(a => a.StatusCode is HttpStatusCode.TooManyRequests);
        await refused.ShouldBeAsync(429, "rate-limited");
        Assert.Equal(TimeSpan.FromSeconds(1), refused.Headers.RetryAfter!.Delta);
        Assert.Equal("\"tenant\";r=0;t=1", refused.Headers.GetValues("RateLimit").Single());
        // The other tenants have their own.
        var others = await host.GetAsync("/v1/me", host.AcmeKey);
        Assert.Equal(HttpStatusCode.OK, others.StatusCode);
        Assert.False(others.Headers.Contains("RateLimit"));

        await Task.Delay(refused.Headers.RetryAfter.Delta!.Value, Cancellation);
        Assert.Equal(HttpStatusCode.OK, (await host.GetAsync("/v1/me", key)).StatusCode);
    }

    [Fact]
    public async Task A_request_beyond_those_at_once_is_429_until_one_ends()
    {
        var key = await KeyOfTierAsync("narrow");
        var (answer, body, held) = await HoldAsync(key);
        await answer.ShouldBeAsync(429, "rate-limited");
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.Equal(HttpStatusCode.OK, (await host.GetAsync("/v1/me", host.AcmeKey)).StatusCode);
        body.Release();
        await (await held).ShouldBeAsync(400, "validation-failed");
        // The answer is on its way before the place is free.
        await EventuallyAsync(() => host.GetAsync("/v1/me", key), HttpStatusCode.OK);
    }

    // A request that takes the tenant's one place for as long as its body does not end, and the answer to one beside it. The
    // question whether it has the place yet takes the place itself: then it is the one that is refused, and is sent again.
    private async Task<(HttpResponseMessage Refused, HeldContent Body, Task<HttpResponseMessage> Held)> HoldAsync(
        string key
    )
    {
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(1); )
        {
            var body = new HeldContent("""{"title":""");
            var held = host.SendAsync(new HttpRequestMessage(HttpMethod.Post, "/v1/documents") { Content = body }, key);
            for (var i = 0; i < 50; i++)
            {
                await Task.Delay(20, Cancellation);
                if (await host.GetAsync("/v1/me", key) is { StatusCode: not HttpStatusCode.OK } answer)
                {
                    return (answer, body, held);
                }
            }

            body.Release();
            await held;
        }

        throw new TimeoutException("No request was refused beside one that goes on.");
    }

    [Fact]
    public async Task Beyond_the_plan_is_402_with_figures_and_room_made_is_room()
    {
        var (_, key) = await NewHomeAsync("\"tier\":\"tiny\"");
        var first = await CreateAsync(key, 10);
        await CreateAsync(key, 10);
        var third = await CreateAsync(key, 10);
        await third.ShouldBeAsync(402, "quota-exceeded");
        var problem = await third.JsonAsync();
        Assert.Equal(2, problem.GetProperty("limit").GetInt64());
        Assert.Equal(2, problem.GetProperty("used").GetInt64());
        Assert.Equal("documents", problem.GetProperty("unit").GetString());
        var usage = await (await host.GetAsync("/v1/usage", key)).JsonAsync();
        Assert.Equal(2, usage.GetProperty("documents").GetInt64());
        Assert.Equal(2, usage.GetProperty("limits").GetProperty("documents").GetInt64());

        var path = first.Headers.Location!.OriginalString;
        await ChangeAsync(HttpMethod.Delete, path, "\"1\"", key);
        await ChangeAsync(
            HttpMethod.Delete,
            path.Replace("documents", "trash", StringComparison.Ordinal),
            "\"2\"",
            key
        );
        var large = await CreateAsync(key, 6000);
        await large.ShouldBeAsync(402, "quota-exceeded");
        Assert.Equal("bytes", (await large.JsonAsync()).GetProperty("unit").GetString());
        Assert.Equal(HttpStatusCode.Created, (await CreateAsync(key, 10)).StatusCode);
    }

    [Fact]
    public async Task Another_tier_with_the_same_home_changes_the_limits_and_moves_nothing()
    {
        var (slug, key) = await NewHomeAsync("\"tier\":\"starter\"");
        await CreateAsync(key, 10);
        await CreateAsync(key, 10);
        var before = (await host.FindTenantAsync(slug)).Placement;

        var planned = await MoveAsync(slug, """{"tier":"tiny","dryRun":true}""");
        Assert.Equal("succeeded", planned.GetProperty("status").GetString());
        Assert.Equal("starter", (await host.FindTenantAsync(slug)).Tier);
        Assert.Equal(HttpStatusCode.Created, (await CreateAsync(key, 10)).StatusCode);

        var changed = await MoveAsync(slug, """{"tier":"tiny"}""");
        Assert.Equal("tierChange", changed.GetProperty("type").GetString());
        Assert.Equal("succeeded", changed.GetProperty("status").GetString());
        Assert.Equal("starter", changed.GetProperty("result").GetProperty("previousTier").GetString());
        Assert.Equal(
            ("tiny", before),
            ((await host.FindTenantAsync(slug)).Tier, (await host.FindTenantAsync(slug)).Placement)
        );
        await EventuallyAsync(() => CreateAsync(key, 10), HttpStatusCode.PaymentRequired);
        Assert.Equal(
            "nothing-to-change",
            (await MoveAsync(slug, """{"tier":"tiny"}""")).GetProperty("code").GetString()
        );
        Assert.Equal(
            "nothing-to-change",
            (await MoveAsync(slug, """{"isolation":"shared"}""")).GetProperty("code").GetString()
        );

        // And back, with a way to say the home too: the control for the limit.
        await MoveAsync(slug, """{"tier":"starter","isolation":"shared"}""");
        await EventuallyAsync(() => CreateAsync(key, 10), HttpStatusCode.Created);
    }

    [Fact]
    public async Task A_suspended_tenant_reaches_only_what_says_so()
    {
        var (slug, key) = await NewHomeAsync("\"isolation\":\"shared\"");
        await StaffAsync(HttpMethod.Post, $"tenants/{slug}/suspend", """{"reason":"unpaid"}""");
        foreach (var (method, path) in Ordinary)
        {
            var answer = await SendAsync(method, path, key);
            await answer.ShouldBeAsync(403, "tenant-suspended");
            Assert.Equal("unpaid", (await answer.JsonAsync()).GetProperty("reason").GetString());
        }

        foreach (var path in new[] { "/v1/tenant", "/v1/me", "/v1/usage" })
        {
            Assert.Equal(HttpStatusCode.OK, (await host.GetAsync(path, key)).StatusCode);
        }

        await StaffAsync(HttpMethod.Post, $"tenants/{slug}/resume");
        await AllServeAsync(key);
    }

    [Fact]
    public async Task A_read_only_tenant_reads_and_changes_nothing()
    {
        var (slug, key) = await NewHomeAsync("\"isolation\":\"shared\"");
        await StaffAsync(HttpMethod.Put, $"tenants/{slug}/access-mode", """{"mode":"readOnly"}""");
        foreach (var (method, path) in Ordinary)
        {
            var answer = await SendAsync(method, path, key);
            if (method == HttpMethod.Get)
            {
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
                continue;
            }

            await answer.ShouldBeAsync(503, "tenant-read-only");
            Assert.NotNull(answer.Headers.RetryAfter);
        }

        await StaffAsync(HttpMethod.Put, $"tenants/{slug}/access-mode", """{"mode":"readWrite"}""");
        await AllServeAsync(key);
    }

    [Fact]
    public async Task An_offline_tenant_serves_nothing_of_its_data()
    {
        var (slug, key) = await NewHomeAsync("\"isolation\":\"shared\"");
        await StaffAsync(HttpMethod.Put, $"tenants/{slug}/access-mode", """{"mode":"offline"}""");
        foreach (var (method, path) in Ordinary)
        {
            var answer = await SendAsync(method, path, key);
            await answer.ShouldBeAsync(503, "tenant-maintenance");
            Assert.NotNull(answer.Headers.RetryAfter);
        }

        Assert.Equal(HttpStatusCode.OK, (await host.GetAsync("/v1/tenant", key)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await host.GetAsync("/v1/me", key)).StatusCode);
        await StaffAsync(HttpMethod.Put, $"tenants/{slug}/access-mode", """{"mode":"readWrite"}""");
        await AllServeAsync(key);
    }

    private static readonly (HttpMethod, string)[] Ordinary =
    [
        (HttpMethod.Get, "/v1/documents"),
        (HttpMethod.Get, "/v1/trash"),
        (HttpMethod.Get, "/v1/search?q=word"),
        (HttpMethod.Get, "/v1/changes"),
        (HttpMethod.Get, "/v1/tags"),
        (HttpMethod.Post, "/v1/documents"),
    ];

    private async Task AllServeAsync(string key)
    {
        foreach (var (method, path) in Ordinary)
        {
            Assert.True((await SendAsync(method, path, key)).IsSuccessStatusCode, path);
        }
    }

    private Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string key) =>
        method == HttpMethod.Get ? host.GetAsync(path, key) : CreateAsync(key, 10);

    private Task<HttpResponseMessage> CreateAsync(string key, int length)
    {
        var body = $$"""{"title":"t","body":"{{new string('x', length)}}"}""";
        return host.SendAsync(
            new HttpRequestMessage(HttpMethod.Post, "/v1/documents")
            {
                Content = new StringContent(body, Encoding.UTF8, "application/json"),
            },
            key
        );
    }

    private async Task ChangeAsync(HttpMethod method, string path, string etag, string key)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Add("If-Match", etag);
        Assert.True((await host.SendAsync(request, key)).IsSuccessStatusCode);
    }

    private async Task StaffAsync(HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, $"/admin/v1/{path}");
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        request.Headers.Add("Prefer", "wait=60");
        var answer = await host.SendAsync(request, HttpHost.BootstrapKey);
        Assert.True(answer.IsSuccessStatusCode, await answer.TextAsync());
    }

    private async Task<JsonElement> MoveAsync(string slug, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/admin/v1/tenants/{slug}/moves");
        request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        request.Headers.Add("Prefer", "wait=60");
        return await (await host.SendAsync(request, HttpHost.BootstrapKey)).JsonAsync();
    }

    // A change of a tenant's condition is effective on every node within 2 s; a loaded machine gets some more. Without the
    // notification it would take minutes.
    private static async Task EventuallyAsync(Func<Task<HttpResponseMessage>> call, HttpStatusCode status)
    {
        var since = Stopwatch.GetTimestamp();
        HttpStatusCode last;
        do
        {
            last = (await call()).StatusCode;
        } while (last != status && Stopwatch.GetElapsedTime(since) < TimeSpan.FromSeconds(20));

        Assert.Equal(status, last);
    }

    private async Task<(string Slug, string Key)> NewHomeAsync(string placing)
    {
        var slug = string.Create(CultureInfo.InvariantCulture, $"c-{Guid.NewGuid():n}")[..20];
        await StaffAsync(HttpMethod.Post, "tenants", $$"""{"slug":"{{slug}}","name":"C",{{placing}}}""");
        var tenant = await host.FindTenantAsync(slug);
        return (slug, await host.NewKeyAsync(tenant, "editor"));
    }

    private async Task<string> KeyOfTierAsync(string tier)
    {
        var tenant = await host.NewTenantAsync($"l-{Guid.NewGuid():n}"[..20], TenantStatus.Active, tier: tier);
        return await host.NewKeyAsync(tenant, "editor");
    }

    /// <summary>A body whose end does not come before it is released.</summary>
    private sealed class HeldContent : HttpContent
    {
        private readonly byte[] _start;
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public HeldContent(string start)
        {
            _start = Encoding.UTF8.GetBytes(start);
            Headers.ContentType = new("application/json");
        }

        public void Release() => _released.TrySetResult();

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(_start);
            await stream.FlushAsync();
            await _released.Task;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
