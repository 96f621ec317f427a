using System.Net;

namespace TenantDocs.PostgresTests.Http;

[Collection<OneHttpHost>]
public class HttpRulesTests(HttpHost host)
{
    [Theory]
    [InlineData("/health/live")]
    [InlineData("/health/ready")]
    [InlineData("/health/startup")]
    public async Task Health_needs_no_credential(string path)
    {
        Assert.Equal(HttpStatusCode.OK, (await host.GetAsync(path)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await HeadAsync(path)).StatusCode);
    }

    [Fact]
    public async Task An_unknown_address_is_a_problem() =>
        await (await host.GetAsync("/nothing/here")).ShouldBeAsync(404, "not-found");

    [Fact]
    public async Task An_address_or_headers_beyond_the_limits_are_problems_too()
    {
        await (await host.GetAsync($"/v1/{new string('x', 15 * 1024)}")).ShouldBeAsync(404, "not-found");
        await (await host.GetAsync($"/v1/{new string('x', 17 * 1024)}")).ShouldBeAsync(414, "uri-too-long");
        Assert.Equal(HttpStatusCode.OK, (await WithHeadersAsync(1, 20 * 1024)).StatusCode);
        await (await WithHeadersAsync(1, 33 * 1024)).ShouldBeAsync(431, "headers-too-large");
        Assert.Equal(HttpStatusCode.OK, (await WithHeadersAsync(90, 10)).StatusCode);
        await (await WithHeadersAsync(120, 10)).ShouldBeAsync(431, "headers-too-large");
    }

    private async Task<HttpResponseMessage> WithHeadersAsync(int count, int length)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/health/live");
        for (var i = 0; i < count; i++)
        {
            request.Headers.Add($"X-Filler-{i}", new string('x', length));
        }

        return await host.SendAsync(request);
    }

    [Fact]
    public async Task There_is_no_third_API_description()
    {
        await (await host.GetAsync("/openapi/none.json")).ShouldBeAsync(404, "not-found");
        await (await host.GetAsync("/openapi/tenant2.json")).ShouldBeAsync(404, "not-found");
        Assert.Equal(HttpStatusCode.OK, (await host.GetAsync("/openapi/tenant.json")).StatusCode);
    }

    [Fact]
    public async Task Another_method_is_405_with_Allow()
    {
        var answer = await host.SendAsync(new HttpRequestMessage(HttpMethod.Delete, "/v1/me"));
        await answer.ShouldBeAsync(405, "method-not-allowed");
        Assert.Equal(["GET", "HEAD"], answer.Content.Headers.Allow.Order());
    }

    [Fact]
    public async Task OPTIONS_tells_the_methods()
    {
        using var request = new HttpRequestMessage(HttpMethod.Options, "/v1/me");
        var answer = await host.SendAsync(request);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        Assert.Equal(["GET", "HEAD"], answer.Content.Headers.Allow.Order());
    }

    [Fact]
    public async Task HEAD_works_where_GET_does()
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, "/v1/tenant");
        var answer = await host.SendAsync(request, host.AcmeKey);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.NotNull(answer.Headers.ETag);
    }

    [Fact]
    public async Task The_trace_of_the_client_is_continued()
    {
        const string Trace = "0af7651916cd43dd8448eb211c80319c";
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/me");
        request.Headers.Add("traceparent", $"00-{Trace}-b7ad6b7169203331-01");
        request.Headers.Add("X-Request-Id", "my-request.1");
        var answer = await host.SendAsync(request);
        Assert.Contains(Trace, (await answer.JsonAsync()).GetProperty("traceId").GetString(), StringComparison.Ordinal);
        Assert.Equal("my-request.1", answer.Headers.GetValues("X-Request-Id").Single());
    }

    [Fact]
    public async Task A_request_id_that_could_break_a_log_is_not_repeated()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/health/live");
        request.Headers.TryAddWithoutValidation("X-Request-Id", "<script>");
        var answer = await host.SendAsync(request);
        Assert.DoesNotContain("script", answer.Headers.GetValues("X-Request-Id").Single(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tenant_data_is_not_cached_by_others()
    {
        var answer = await host.GetAsync("/v1/me", host.AcmeKey);
        Assert.Equal("no-cache, private", answer.Headers.CacheControl!.ToString());
        Assert.Equal(["Authorization"], answer.Headers.Vary);
    }

    [Fact]
    public async Task An_unknown_parameter_is_refused() =>
        await (await host.GetAsync("/v1/me?x=1", host.AcmeKey)).ShouldBeAsync(400, "unknown-parameter");

    [Fact]
    public async Task What_the_client_has_is_not_sent_again()
    {
        var first = await host.GetAsync("/v1/tenant", host.AcmeKey);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/tenant");
        request.Headers.IfNoneMatch.Add(first.Headers.ETag!);
        var second = await host.SendAsync(request, host.AcmeKey);
        Assert.Equal(HttpStatusCode.NotModified, second.StatusCode);
        Assert.Equal(first.Headers.ETag, second.Headers.ETag);
    }

    [Theory]
    [InlineData("/problems", "unknown-parameter")]
    [InlineData("/problems/tenant-suspended", "suspended")]
    [InlineData("/docs/index.html", "swagger")]
    public async Task Pages_are_readable_and_guarded(string path, string contains)
    {
        var answer = await host.GetAsync(path);
        Assert.Equal("text/html", answer.Content.Headers.ContentType?.MediaType);
        Assert.Contains(contains, await answer.TextAsync(), StringComparison.OrdinalIgnoreCase);
        Assert.Contains("frame-ancestors 'none'", answer.Headers.GetValues("Content-Security-Policy").Single());
    }

    [Fact]
    public async Task The_page_to_try_the_API_loads_nothing_from_elsewhere()
    {
        var page = await (await host.GetAsync("/docs/index.html")).TextAsync();
        Assert.DoesNotContain("https://", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>", page, StringComparison.Ordinal);
        foreach (var asset in new[] { "swagger-ui.css", "swagger-ui-bundle.js" })
        {
            Assert.Equal(HttpStatusCode.OK, (await host.GetAsync($"/docs/{asset}")).StatusCode);
        }
    }

    [Theory]
    [InlineData("tenant", "/v1/me")]
    [InlineData("admin", null)]
    public async Task Each_API_has_its_description(string name, string? path)
    {
        var document = await (await host.GetAsync($"/openapi/{name}.json")).JsonAsync();
        Assert.StartsWith("3.1", document.GetProperty("openapi").GetString(), StringComparison.Ordinal);
        Assert.Equal(path is not null, document.GetProperty("paths").TryGetProperty(path ?? "/v1/me", out _));
        Assert.True(document.GetProperty("components").GetProperty("schemas").TryGetProperty("Problem", out _));
        if (path is not null)
        {
            var operation = document.GetProperty("paths").GetProperty(path).GetProperty("get");
            Assert.False(operation.TryGetProperty("parameters", out _));
            Assert.True(operation.GetProperty("responses").TryGetProperty("default", out _));
        }
    }

    private async Task<HttpResponseMessage> HeadAsync(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, path);
        return await host.SendAsync(request);
    }
}
