using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;
using TenantDocs.Provisioning;

namespace TenantDocs.PostgresTests.Faults;

/// <summary>The real host on embedded clusters of its own, whose PostgreSQL is killed while clients read and write.</summary>
[Collection(nameof(Alone))]
public sealed class PostgresRestartTests : IAsyncLifetime
{
    private const int Clients = 4;
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    private readonly string _folder = Path.Combine(Path.GetTempPath(), "td-fault-" + Path.GetRandomFileName());
    private readonly WebApplicationFactory<Program> _factory;
    private readonly ConcurrentDictionary<string, string> _acknowledged = new();
    private readonly ConcurrentBag<string> _faults = [];
    private int _unavailable;

    public PostgresRestartTests() =>
        _factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
            host.UseSetting("LocalPostgres:DataFolder", _folder)
                .UseSetting("LocalPostgres:Clusters:0", "one")
                .UseSetting("LocalPostgres:BinFolder", Environment.GetEnvironmentVariable("TENANTDOCS_TEST_BINFOLDER"))
                .UseSetting("Isolation:ConnectionTimeout", "00:00:02")
                .UseSetting("Demo:Preset", "none")
                .UseSetting("Admin:BootstrapKey", "bootstrap-key-of-the-tests")
        );

    public async ValueTask InitializeAsync()
    {
        _factory.UseKestrel(0);
        _factory.StartServer();
        await _factory.Services.GetRequiredService<PlatformStartup>().Ready.WaitAsync(Deadline);
    }

    public async ValueTask DisposeAsync()
    {
        await _factory.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_killed_server_costs_503s_for_a_while_and_no_wrong_answer_and_no_acknowledged_write()
    {
        using var client = await ClientAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var load = Enumerable
            .Range(0, Clients)
            .SelectMany(i => new[] { WriteAsync(client, i, stop.Token), ReadAsync(client, stop.Token) })
            .ToList();
        await UntilAsync(() => _acknowledged.Count >= 100);

        var before = ServerProcess();
        Process.GetProcessById(before).Kill();

        await UntilAsync(() => ServerProcess() is var now && now != 0 && now != before);
        var recovered = _acknowledged.Count;
        await UntilAsync(() => _acknowledged.Count >= recovered + 100);
        await stop.CancelAsync();
        await Task.WhenAll(load);

        Assert.Empty(_faults);
        Assert.True(_unavailable > 0, "The outage was never seen, so the test proved nothing.");
        foreach (var (id, title) in _acknowledged)
        {
            Assert.Equal(title, await TitleAsync(client, id));
        }
    }

    private async Task<HttpClient> ClientAsync()
    {
        var services = _factory.Services;
        Assert.True(TenantSlug.TryParse("acme", out var slug));
        var started = await services
            .GetRequiredService<TenantProvisioning>()
            .StartAsync(
                new NewTenant(slug, "Acme") { Isolation = IsolationModel.Database },
                "tests",
                CancellationToken.None
            );
        await services
            .GetRequiredService<OperationRequests>()
            .WaitAsync(started.Value, Deadline, CancellationToken.None);
        var tenant = await services.GetRequiredService<TenantCatalog>().FindBySlugAsync("acme", CancellationToken.None);
        var (_, key) = await services
            .GetRequiredService<ApiKeys>()
            .CreateAsync(tenant!.Id, "test", "owner", null, null, "tests", CancellationToken.None);
        return new HttpClient
        {
            BaseAddress = _factory.ClientOptions.BaseAddress,
            DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", key) },
        };
    }

    private async Task WriteAsync(HttpClient client, int writer, CancellationToken stop)
    {
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            var title = $"writer {writer} document {i}";
            using var answer = await client.PostAsJsonAsync(
                "/v1/documents",
                new { title, body = "text" },
                CancellationToken.None
            );
            if (answer.StatusCode is HttpStatusCode.Created)
            {
                var document = await answer.Content.ReadFromJsonAsync<JsonElement>(CancellationToken.None);
                _acknowledged[document.GetProperty("id").GetString()!] = title;
            }
            else
            {
                await NoteAsync("POST", answer);
            }
        }
    }

    private async Task ReadAsync(HttpClient client, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            if (_acknowledged.IsEmpty)
            {
                await Task.Delay(5, CancellationToken.None);
                continue;
            }

            var (id, title) = _acknowledged.ElementAt(Random.Shared.Next(_acknowledged.Count));
            using var answer = await client.GetAsync($"/v1/documents/{id}", CancellationToken.None);
            if (answer.StatusCode is HttpStatusCode.OK)
            {
                var document = await answer.Content.ReadFromJsonAsync<JsonElement>(CancellationToken.None);
                if (document.GetProperty("title").GetString() != title)
                {
                    _faults.Add($"GET {id}: another document's title");
                }
            }
            else
            {
                await NoteAsync("GET", answer);
            }
        }
    }

    private async Task NoteAsync(string method, HttpResponseMessage answer)
    {
        if (answer.StatusCode is HttpStatusCode.ServiceUnavailable && answer.Headers.RetryAfter is not null)
        {
            Interlocked.Increment(ref _unavailable);
            await Task.Delay(20, CancellationToken.None); // a polite client; thousands of refusals prove no more
            return;
        }

        _faults.Add(
            $"{method}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(CancellationToken.None)}"
        );
    }

    private static async Task<string?> TitleAsync(HttpClient client, string id)
    {
        var document = await client.GetFromJsonAsync<JsonElement>(
            $"/v1/documents/{id}",
            TestContext.Current.CancellationToken
        );
        return document.GetProperty("title").GetString();
    }

    private int ServerProcess() =>
        int.TryParse(
            File.Exists(Path.Combine(_folder, "one", "data", "postmaster.pid"))
                ? File.ReadLines(Path.Combine(_folder, "one", "data", "postmaster.pid")).FirstOrDefault()
                : null,
            out var process
        )
            ? process
            : 0;

    private async Task UntilAsync(Func<bool> condition)
    {
        var start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(
                Stopwatch.GetElapsedTime(start) < Deadline,
                $"Not in time; {_acknowledged.Count} acknowledged, {_unavailable} × 503, faults: {string.Join("; ", _faults.Take(3))}"
            );
            await Task.Delay(20);
        }
    }
}
