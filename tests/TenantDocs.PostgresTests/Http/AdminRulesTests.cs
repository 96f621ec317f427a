using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Api.Fleet;
using TenantDocs.Api.Http;
using TenantDocs.Catalog;

namespace TenantDocs.PostgresTests.Http;

/// <summary>What holds for every call of the admin API, on a real socket.</summary>
[Collection<OneHttpHost>]
public class AdminRulesTests(HttpHost host)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_client_that_gave_up_waiting_gets_the_first_answer_with_its_key()
    {
        var slug = await NewHomeAsync();
        using var impatient = new CancellationTokenSource();
        var waiting = host.SendUntilAsync(Move(slug, "k-1", "wait=60"), HttpHost.BootstrapKey, impatient.Token);
        var operation = await WaitForMoveAsync(slug);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);

        HttpResponseMessage again;
        do
        {
            again = await host.SendAsync(Move(slug, "k-1", "wait=60"), HttpHost.BootstrapKey);
        } while ((await again.TextAsync()).Contains("idempotency-in-progress", StringComparison.Ordinal));

        Assert.Equal(HttpStatusCode.Accepted, again.StatusCode);
        Assert.Equal("true", again.Headers.GetValues("Idempotency-Replayed").Single());
        Assert.Equal(TimeSpan.FromSeconds(1), again.Headers.RetryAfter?.Delta);
        Assert.Equal(operation, (await again.JsonAsync()).GetProperty("id").GetGuid());
        var other = await host.SendAsync(Move(slug, "k-2", "wait=0"), HttpHost.BootstrapKey);
        await other.ShouldBeAsync(409, "operation-in-progress");
        await SendAsync(HttpMethod.Post, $"operations/{operation}/cancel");
    }

    [Fact]
    public async Task What_a_client_asked_for_is_answered_whole_although_it_left()
    {
        var filter = ActivatorUtilities.CreateInstance<AdminWrites>(host.Services);
        async Task<string> CallAsync(CancellationToken client, Action acted)
        {
            await using var scope = host.Services.CreateAsyncScope();
            var http = new DefaultHttpContext { RequestServices = scope.ServiceProvider, RequestAborted = client };
            http.Request.Method = "POST";
            http.Request.Path = "/admin/v1/tenants/acme/api-keys";
            http.Request.Headers["Idempotency-Key"] = "left";
            http.Response.Body = new MemoryStream();
            http.Features.Set(new StaffRequest(new Caller(CallerKind.ApiKey, "key:left", "", Role.Owner, null, true)));
            var result = await filter.InvokeAsync(
                EndpointFilterInvocationContext.Create(http),
                context =>
                {
                    acted();
                    return ValueTask.FromResult<object?>(Json.Result(new Page<string>(["a new key"], null), 201));
                }
            );
            await ((IResult)result!).ExecuteAsync(http);
            return Encoding.UTF8.GetString(((MemoryStream)http.Response.Body).ToArray());
        }

        using var client = new CancellationTokenSource();
        var calls = 0;
        await CallAsync(
            client.Token,
            () =>
            {
                calls++;
                client.Cancel();
            }
        );
        Assert.Contains("a new key", await CallAsync(CancellationToken.None, () => calls++), StringComparison.Ordinal);
        Assert.Equal(1, calls);
    }

    [Theory]
    [InlineData("""{"slug":"abc","name":"x","n":1e200000}""", "abc")]
    [InlineData("""{"slug":1e200000,"name":"x"}""", "1e200000")]
    [InlineData("""{"slug":"a-surrogate","name":"\ud800"}""", null)]
    public async Task A_body_that_the_audit_cannot_keep_is_refused_as_any_other(string body, string? slug)
    {
        await (await SendAsync(HttpMethod.Post, "tenants", body)).ShouldBeAsync(400, "validation-failed");
        var last = await LastAuditAsync();
        Assert.Equal("createTenant", last.GetProperty("action").GetString());
        var detail = last.GetProperty("detail");
        Assert.Equal(400, detail.GetProperty("status").GetInt32());
        Assert.Equal(slug is not null, detail.TryGetProperty("request", out var request));
        Assert.Equal(slug, slug is null ? null : request.GetProperty("slug").GetString());
    }

    [Fact]
    public async Task An_operation_without_fields_refuses_those_that_are_sent()
    {
        var path = $"operations/{Guid.NewGuid()}/cancel";
        await (await SendAsync(HttpMethod.Post, path, """{"n":1e200000}""")).ShouldBeAsync(400, "validation-failed");
        await (await SendAsync(HttpMethod.Post, path, "{}")).ShouldBeAsync(404, "not-found");
        await (await SendAsync(HttpMethod.Post, path)).ShouldBeAsync(404, "not-found");
    }

    [Fact]
    public async Task A_secret_in_a_misspelt_field_is_not_kept()
    {
        const string Body = """{"name":"misspelt","ConnectionString":"Host=x;Password=hush","capacity":7}""";
        await (await SendAsync(HttpMethod.Post, "servers", Body)).ShouldBeAsync(400, "validation-failed");
        var detail = (await LastAuditAsync()).GetProperty("detail").GetRawText();
        Assert.Contains("misspelt", detail, StringComparison.Ordinal);
        Assert.Contains("7", detail, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("POST", "tenants/acme/suspend")]
    [InlineData("POST", "tenants/acme/resume")]
    [InlineData("PUT", "tenants/acme/access-mode")]
    [InlineData("DELETE", "tenants/acme")]
    [InlineData("POST", "tenants/acme/undelete")]
    [InlineData("POST", "tenants/acme/purge")]
    [InlineData("POST", "tenants/acme/retry")]
    [InlineData("PATCH", "tenants/acme")]
    [InlineData("POST", "tenants/acme/api-keys")]
    [InlineData("DELETE", "tenants/acme/api-keys/x")]
    [InlineData("POST", "tenants/acme/moves")]
    [InlineData("POST", "operations/x/cancel")]
    [InlineData("GET", "operations/x/events")]
    [InlineData("POST", "operations/x/cutover")]
    [InlineData("POST", "operations/x/rollback")]
    [InlineData("POST", "operations/x/finalize")]
    [InlineData("POST", "servers")]
    [InlineData("POST", "servers/x/drain")]
    [InlineData("POST", "servers/x/undrain")]
    public async Task An_unknown_parameter_is_refused_everywhere(string method, string path)
    {
        var answer = await SendAsync(new HttpMethod(method), $"{path}?dryRun=true", """{"reason":"r"}""");
        await answer.ShouldBeAsync(400, "unknown-parameter");
        var plain = await SendAsync(new HttpMethod(method), path.Replace("acme", "nobody", StringComparison.Ordinal));
        Assert.DoesNotContain("unknown-parameter", await plain.TextAsync(), StringComparison.Ordinal);
        var tenant = await host.Services.GetRequiredService<TenantCatalog>().FindBySlugAsync("acme", Cancellation);
        Assert.Equal(TenantStatus.Active, tenant!.Status);
    }

    [Theory]
    [InlineData("t", 409, "duplicate")]
    [InlineData("v1", 409, "duplicate")]
    [InlineData("admin", 409, "duplicate")]
    [InlineData("x", 400, "validation-failed")]
    [InlineData("x1", 400, "validation-failed")]
    public async Task Reserved_slugs_are_409_also_those_too_short_for_a_slug(string slug, int status, string code) =>
        await (await SendAsync(HttpMethod.Post, "tenants", $$"""{"slug":"{{slug}}","name":"x"}""")).ShouldBeAsync(
            status,
            code
        );

    [Theory]
    [InlineData("P2147483647D", 400)]
    [InlineData("P31D", 400)]
    [InlineData("soon", 400)]
    [InlineData("PT10M", 202)]
    public async Task A_duration_is_read_or_refused(string keep, int status)
    {
        var slug = await NewHomeAsync();
        var body = $$"""{"isolation":"schema","dryRun":true,"keepSourceFor":"{{keep}}"}""";
        Assert.Equal(status, (int)(await SendAsync(HttpMethod.Post, $"tenants/{slug}/moves", body)).StatusCode);
    }

    [Fact]
    public async Task Keys_and_servers_are_listed_in_pages()
    {
        var tenant = await host.NewTenantAsync($"k-{Guid.NewGuid():n}"[..20], TenantStatus.Active);
        for (var i = 0; i < 3; i++)
        {
            await host.NewKeyAsync(tenant, "viewer");
        }

        var path = $"tenants/{tenant.Slug}/api-keys";
        var page = await (await SendAsync(HttpMethod.Get, $"{path}?limit=2")).JsonAsync();
        Assert.Equal(2, page.GetProperty("items").GetArrayLength());
        var cursor = page.GetProperty("next").GetString();
        var rest = await (await SendAsync(HttpMethod.Get, $"{path}?limit=2&cursor={cursor}")).JsonAsync();
        Assert.Equal(1, rest.GetProperty("items").GetArrayLength());
        Assert.Equal(JsonValueKind.Null, rest.GetProperty("next").ValueKind);
        var all = page.GetProperty("items").EnumerateArray().Concat(rest.GetProperty("items").EnumerateArray());
        Assert.Equal(3, all.Select(k => k.GetProperty("id").GetGuid()).Distinct().Count());
        await (await SendAsync(HttpMethod.Get, $"{path}?limit=0")).ShouldBeAsync(400, "validation-failed");
        await (await SendAsync(HttpMethod.Get, $"tenants/acme/api-keys?cursor={cursor}")).ShouldBeAsync(
            400,
            "invalid-cursor"
        );

        var servers = await (await SendAsync(HttpMethod.Get, "servers?limit=1")).JsonAsync();
        var one = await (await SendAsync(HttpMethod.Get, "servers/local-1")).JsonAsync();
        Assert.Equal("local-1", one.GetProperty("name").GetString());
        Assert.False(one.TryGetProperty("connectionString", out _));
        await (await SendAsync(HttpMethod.Get, "servers/nowhere")).ShouldBeAsync(404, "not-found");
        Assert.Equal("local-1", servers.GetProperty("items")[0].GetProperty("name").GetString());
        await (await SendAsync(HttpMethod.Get, $"servers?cursor={cursor}")).ShouldBeAsync(400, "invalid-cursor");
    }

    [Fact]
    public async Task HEAD_of_the_events_of_an_operation_is_answered_without_the_stream()
    {
        var unknown = $"operations/{Guid.NewGuid()}/events";
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Head, unknown)).StatusCode);
        await (await SendAsync(HttpMethod.Get, unknown)).ShouldBeAsync(404, "not-found");
        await NewHomeAsync();
        var some = (await (await SendAsync(HttpMethod.Get, "operations?limit=1")).JsonAsync()).GetProperty("items")[0];
        var head = await SendAsync(HttpMethod.Head, $"operations/{some.GetProperty("id").GetGuid()}/events");
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.Equal("text/event-stream", head.Content.Headers.ContentType?.MediaType);
        Assert.Equal("", await head.TextAsync());
    }

    private Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? body = null)
    {
        var type = method == HttpMethod.Patch ? "application/merge-patch+json" : "application/json";
        var request = new HttpRequestMessage(method, $"/admin/v1/{path}");
        request.Content = body is null ? null : new StringContent(body, null, type);
        return host.SendAsync(request, HttpHost.BootstrapKey);
    }

    private static HttpRequestMessage Move(string slug, string key, string prefer)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, $"/admin/v1/tenants/{slug}/moves")
        {
            Content = new StringContent("""{"isolation":"schema","autoCutover":false}""", null, "application/json"),
        };
        request.Headers.Add("Idempotency-Key", $"{slug}-{key}");
        request.Headers.Add("Prefer", prefer);
        return request;
    }

    private async Task<Guid> WaitForMoveAsync(string slug)
    {
        while (true)
        {
            var found = await (await SendAsync(HttpMethod.Get, $"operations?tenant={slug}&type=move")).JsonAsync();
            if (
                found.GetProperty("items").EnumerateArray().FirstOrDefault() is { ValueKind: JsonValueKind.Object } move
            )
            {
                return move.GetProperty("id").GetGuid();
            }

            await Task.Delay(20, Cancellation);
        }
    }

    private async Task<string> NewHomeAsync()
    {
        var slug = $"h-{Guid.NewGuid():n}"[..20];
        var body = $$"""{"slug":"{{slug}}","name":"Home","isolation":"shared"}""";
        var request = new HttpRequestMessage(HttpMethod.Post, "/admin/v1/tenants")
        {
            Content = new StringContent(body, null, "application/json"),
        };
        request.Headers.Add("Prefer", "wait=60");
        Assert.Equal(201, (int)(await host.SendAsync(request, HttpHost.BootstrapKey)).StatusCode);
        return slug;
    }

    private async Task<JsonElement> LastAuditAsync() =>
        (await (await SendAsync(HttpMethod.Get, "audit?limit=1")).JsonAsync()).GetProperty("items")[0];
}
