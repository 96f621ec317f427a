using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using TenantDocs.Catalog;
using TenantDocs.PostgresTests.Http;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Provisioning;

public sealed class AdminApiTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string Staff = "bootstrap-key-of-the-tests";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly string _prefix = $"x{Guid.NewGuid():n}"[..12];
    private WebApplicationFactory<Program> _factory = null!;
    private HttpClient _client = null!;
    private string _server = "";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _server = await postgres.ServerConnectionString(0);
        var settings = Platform.Settings(_prefix);
        settings["ConnectionStrings:Catalog"] = _server;
        settings["Servers:local-1:ConnectionString"] = _server;
        settings["Admin:BootstrapKey"] = Staff;
        settings["Demo:Preset"] = "none";
        settings["Urls"] = "http://127.0.0.1:0";
        _factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
        {
            foreach (var (key, value) in settings)
            {
                host.UseSetting(key, value);
            }
        });
        _client = _factory.CreateClient();
        await _factory
            .Services.GetRequiredService<PlatformStartup>()
            .Ready.WaitAsync(TimeSpan.FromMinutes(1), Cancellation);
        await _factory.Services.GetRequiredService<ApiKeys>().EnsureBootstrapKeyAsync(Staff, Cancellation);
        _client.DefaultRequestHeaders.Add("Authorization", $"Bearer {Staff}");
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _factory.DisposeAsync();
        await Platform.DropDatabasesAsync(_server, _prefix);
    }

    [Fact]
    public async Task A_tenant_is_made_found_changed_deleted_and_purged()
    {
        var made = await CreateAsync("acme", "shared");
        Assert.Equal(201, (int)made.StatusCode);
        var tenant = await made.JsonAsync();
        Assert.Equal("active", tenant.GetProperty("status").GetString());
        Assert.Equal("starter", tenant.GetProperty("tier").GetString());
        Assert.Equal("/admin/v1/tenants/acme", made.Headers.Location?.OriginalString);
        await (await CreateAsync("acme", "shared")).ShouldBeAsync(409, "duplicate");
        await (await CreateAsync("admin", "shared")).ShouldBeAsync(409, "duplicate");
        await (await CreateAsync("A-", "shared")).ShouldBeAsync(400, "validation-failed");

        await (await PatchAsync("acme", null)).ShouldBeAsync(428, "precondition-required");
        await (await PatchAsync("acme", "\"999\"")).ShouldBeAsync(412, "precondition-failed");
        var changed = await PatchAsync("acme", made.Headers.ETag!.Tag);
        Assert.Equal("New name", (await changed.JsonAsync()).GetProperty("name").GetString());

        await (await SendAsync(HttpMethod.Post, "tenants/acme/purge")).ShouldBeAsync(409, "invalid-state");
        await (await SendAsync(HttpMethod.Delete, "tenants/acme")).ShouldBeAsync(400, "validation-failed");
        var deleted = await SendAsync(HttpMethod.Delete, "tenants/acme", headers: ("X-Confirm", "acme"));
        Assert.Equal("pendingDeletion", (await deleted.JsonAsync()).GetProperty("status").GetString());
        var purged = await SendAsync(HttpMethod.Post, "tenants/acme/purge", headers: ("Prefer", "wait=60"));
        var operation = await purged.JsonAsync();
        Assert.Equal("succeeded", operation.GetProperty("status").GetString());
        Assert.Equal("acme", operation.GetProperty("result").GetProperty("slug").GetString());
        await (await SendAsync(HttpMethod.Get, "tenants/acme")).ShouldBeAsync(404, "tenant-not-found");
        Assert.Equal(201, (int)(await CreateAsync("acme", "shared")).StatusCode);
    }

    [Fact]
    public async Task Without_Prefer_the_answer_is_the_operation_whose_events_can_be_followed_and_resumed()
    {
        var accepted = await SendAsync(
            HttpMethod.Post,
            "tenants",
            new
            {
                slug = "later",
                name = "Later",
                isolation = "schema",
            }
        );
        Assert.Equal(202, (int)accepted.StatusCode);
        var location = accepted.Headers.Location!.OriginalString;

        var stream = await (await _client.GetAsync($"{location}/events", Cancellation)).TextAsync();
        var ids = stream.Split('\n').Where(l => l.StartsWith("id: ", StringComparison.Ordinal)).ToList();
        Assert.Contains("\"status\":\"succeeded\"", stream, StringComparison.Ordinal);
        Assert.True(ids.Count >= 2);
        using var again = new HttpRequestMessage(HttpMethod.Get, $"{location}/events");
        again.Headers.Add("Last-Event-ID", ids[^2][4..]);
        var rest = await (await _client.SendAsync(again, Cancellation)).TextAsync();
        Assert.Equal([ids[^1]], rest.Split('\n').Where(l => l.StartsWith("id: ", StringComparison.Ordinal)));

        var operation = await (await _client.GetAsync(location, Cancellation)).JsonAsync();
        Assert.Equal("provision", operation.GetProperty("type").GetString());
        await (await SendAsync(HttpMethod.Post, $"operations/{operation.GetProperty("id")}/cancel")).ShouldBeAsync(
            409,
            "operation-not-cancellable"
        );
        var list = await (await SendAsync(HttpMethod.Get, "operations?tenant=later&type=provision")).JsonAsync();
        Assert.Single(list.GetProperty("items").EnumerateArray());
    }

    [Fact]
    public async Task A_repeated_call_with_its_key_gets_the_first_answer_and_another_call_is_refused()
    {
        await CreateAsync("acme", "shared");
        var body = new { name = "ci", role = "editor" };
        var first = await SendAsync(HttpMethod.Post, "tenants/acme/api-keys", body, ("Idempotency-Key", "k-1"));
        var again = await SendAsync(HttpMethod.Post, "tenants/acme/api-keys", body, ("Idempotency-Key", "k-1"));

        Assert.Equal(201, (int)first.StatusCode);
        Assert.Equal(await first.TextAsync(), await again.TextAsync());
        Assert.Equal("true", again.Headers.GetValues("Idempotency-Replayed").Single());
        var other = await SendAsync(
            HttpMethod.Post,
            "tenants/acme/api-keys",
            new { name = "other", role = "editor" },
            ("Idempotency-Key", "k-1")
        );
        await other.ShouldBeAsync(422, "idempotency-key-reused");
        var keys = await (await SendAsync(HttpMethod.Get, "tenants/acme/api-keys")).JsonAsync();
        var kept = keys.GetProperty("items").EnumerateArray().Single();
        Assert.False(kept.TryGetProperty("key", out _));
        var place = $"tenants/acme/api-keys/{kept.GetProperty("id").GetGuid()}";
        Assert.Equal($"/admin/v1/{place}", first.Headers.Location?.ToString());
        Assert.Equal(kept.GetRawText(), (await (await SendAsync(HttpMethod.Get, place)).JsonAsync()).GetRawText());
        await (await SendAsync(HttpMethod.Get, $"tenants/acme/api-keys/{Guid.NewGuid()}")).ShouldBeAsync(
            404,
            "not-found"
        );
        await CreateAsync("globex", "shared");
        var foreign = $"tenants/globex/api-keys/{kept.GetProperty("id").GetGuid()}";
        await (await SendAsync(HttpMethod.Get, foreign)).ShouldBeAsync(404, "not-found");
        var secret = (await first.JsonAsync()).GetProperty("key").GetString()!;
        await using var command = _factory
            .Services.GetRequiredService<CatalogDatabase>()
            .Source.CreateCommand("SELECT string_agg(k::text, '') FROM idempotency_keys AS k");
        Assert.DoesNotContain(
            secret,
            (string)(await command.ExecuteScalarAsync(Cancellation))!,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public async Task What_cannot_be_recorded_is_not_done()
    {
        await CreateAsync("acme", "shared");
        await RunAsync("ALTER TABLE staff_audit RENAME TO elsewhere");

        var refused = await SendAsync(HttpMethod.Post, "tenants/acme/suspend", new { reason = "unpaid" });

        Assert.False(refused.IsSuccessStatusCode);
        Assert.Equal("active", await StatusAsync("acme"));
        await RunAsync("ALTER TABLE elsewhere RENAME TO staff_audit");
        // The control.
        await SendAsync(HttpMethod.Post, "tenants/acme/suspend", new { reason = "unpaid" });
        Assert.Equal("suspended", await StatusAsync("acme"));

        async Task RunAsync(string sql)
        {
            await using var command = _factory.Services.GetRequiredService<CatalogDatabase>().Source.CreateCommand(sql);
            await command.ExecuteNonQueryAsync(Cancellation);
        }

        async Task<string?> StatusAsync(string slug) =>
            (await (await SendAsync(HttpMethod.Get, $"tenants/{slug}")).JsonAsync()).GetProperty("status").GetString();
    }

    [Fact]
    public async Task What_staff_does_is_audited_without_secrets()
    {
        await CreateAsync("acme", "shared");
        await SendAsync(HttpMethod.Post, "tenants/acme/suspend", new { reason = "unpaid" });
        await SendAsync(
            HttpMethod.Post,
            "servers",
            new { name = "far", connectionString = "Host=nowhere.invalid;Password=hush" }
        );

        var audit = await (await SendAsync(HttpMethod.Get, "audit")).JsonAsync();

        var text = audit.GetRawText();
        Assert.Equal(
            ["addServer", "suspendTenant", "createTenant"],
            audit.GetProperty("items").EnumerateArray().Select(a => a.GetProperty("action").GetString())
        );
        Assert.Contains("unpaid", text, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", text, StringComparison.Ordinal);
        Assert.All(
            audit.GetProperty("items").EnumerateArray(),
            a => Assert.True(a.GetProperty("detail").TryGetProperty("status", out _))
        );
    }

    [Fact]
    public async Task The_fleet_is_listed_counted_drained_and_examined()
    {
        await CreateAsync("one", "shared");
        await CreateAsync("two", "schema");
        await CreateAsync("three", "database");

        var page = await (await SendAsync(HttpMethod.Get, "tenants?limit=2")).JsonAsync();
        var next = await (
            await SendAsync(HttpMethod.Get, $"tenants?limit=2&cursor={page.GetProperty("next").GetString()}")
        ).JsonAsync();
        Assert.Equal(["one", "two"], Slugs(page));
        Assert.Equal(["three"], Slugs(next));
        Assert.Equal(JsonValueKind.Null, next.GetProperty("next").ValueKind);
        var summary = await (await SendAsync(HttpMethod.Get, "fleet/summary")).JsonAsync();
        Assert.Equal(3, summary.GetProperty("tenants").GetInt64());
        var doctor = await (await SendAsync(HttpMethod.Get, "doctor")).JsonAsync();
        Assert.True(doctor.GetProperty("healthy").GetBoolean(), doctor.GetRawText());
        Assert.All(
            doctor
                .GetProperty("checks")
                .EnumerateArray()
                .Where(c => c.GetProperty("name").GetString() is "fences" or "leftovers"),
            c => Assert.Equal("ok", c.GetProperty("status").GetString())
        );

        var drained = await SendAsync(HttpMethod.Post, "servers/local-1/drain");
        Assert.True((await drained.JsonAsync()).GetProperty("draining").GetBoolean());
        Assert.DoesNotContain("Password", await drained.TextAsync(), StringComparison.Ordinal);
        await (await CreateAsync("four", "shared")).ShouldBeAsync(409, "no-capacity");
        await SendAsync(HttpMethod.Post, "servers/local-1/undrain");
        Assert.Equal(201, (int)(await CreateAsync("four", "shared")).StatusCode);
    }

    [Fact]
    public async Task A_host_that_stops_ends_streams_and_answers_who_waits()
    {
        await CreateAsync("one", "shared");
        await CreateAsync("two", "shared");
        var move = new { isolation = "schema", autoCutover = false };
        var started = await SendAsync(HttpMethod.Post, "tenants/one/moves", move);
        using var stream = await _client.GetAsync(
            $"{started.Headers.Location!.OriginalString}/events",
            HttpCompletionOption.ResponseHeadersRead,
            Cancellation
        );
        var events = stream.Content.ReadAsStringAsync(Cancellation);
        var waiting = SendAsync(HttpMethod.Post, "tenants/two/moves", move, ("Prefer", "wait=300"));
        while (
            !(await (await SendAsync(HttpMethod.Get, "operations?type=move&tenant=two")).TextAsync()).Contains(
                "\"waiting\"",
                StringComparison.Ordinal
            )
        )
        {
            await Task.Delay(50, Cancellation);
        }

        Assert.False(events.IsCompleted);
        Assert.False(waiting.IsCompleted);
        _factory.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        Assert.Contains("event: operation", await events.WaitAsync(Patience, Cancellation), StringComparison.Ordinal);
        var answer = await waiting.WaitAsync(Patience, Cancellation);
        Assert.Equal(202, (int)answer.StatusCode);
        Assert.Equal("move", (await answer.JsonAsync()).GetProperty("type").GetString());
    }

    private static IEnumerable<string?> Slugs(JsonElement page) =>
        page.GetProperty("items").EnumerateArray().Select(t => t.GetProperty("slug").GetString());

    private Task<HttpResponseMessage> CreateAsync(string slug, string isolation) =>
        SendAsync(
            HttpMethod.Post,
            "tenants",
            new
            {
                slug,
                name = "A name",
                isolation,
            },
            ("Prefer", "wait=60")
        );

    private async Task<HttpResponseMessage> PatchAsync(string slug, string? etag)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, $"/admin/v1/tenants/{slug}")
        {
            Content = new StringContent("{\"name\":\"New name\"}", null, "application/merge-patch+json"),
        };
        if (etag is not null)
        {
            request.Headers.Add("If-Match", etag);
        }

        return await _client.SendAsync(request, Cancellation);
    }

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method,
        string path,
        object? body = null,
        params (string Name, string Value)[] headers
    )
    {
        using var request = new HttpRequestMessage(method, $"/admin/v1/{path}");
        request.Content = body is null ? null : JsonContent.Create(body);
        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        return await _client.SendAsync(request, Cancellation);
    }
}
