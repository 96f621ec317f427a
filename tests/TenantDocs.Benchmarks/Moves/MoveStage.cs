using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using TenantDocs.Benchmarks.Hosts;
using TenantDocs.LocalPostgres;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>A tenant of the demo, with a key of its own.</summary>
internal sealed record DemoTenant(string Slug, string Key);

/// <summary>A host of the product on two embedded clusters of its own, durable as users get them.</summary>
internal sealed class MoveStage : IAsyncDisposable
{
    private const string StaffKey = "td_move_demo_staff_key_0123456789";
    private readonly LocalPostgresClusters _clusters;
    private readonly string _folder;
    private readonly ChildProcess _host;
    private readonly HttpClient _staff;

    private MoveStage(LocalPostgresClusters clusters, string folder, ChildProcess host, int port)
    {
        _clusters = clusters;
        _folder = folder;
        _host = host;
        Port = port;
        _staff = new HttpClient
        {
            BaseAddress = new Uri($"http://127.0.0.1:{port}"),
            Timeout = TimeSpan.FromMinutes(30),
        };
        _staff.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", StaffKey);
    }

    public int Port { get; }

    /// <summary>The superuser's way to a server.</summary>
    public string ConnectionString(int cluster) => _clusters.Clusters[cluster].ConnectionString;

    public double ResidentMiB() => _host.ResidentMiB();

    public static async Task<MoveStage> StartAsync()
    {
        var folder = Path.Combine(Path.GetTempPath(), "tenantdocs-move-" + Path.GetRandomFileName());
        PrivateFile.CreateFolder(folder, PrivateFile.PassableFolder);
        var clusters = await LocalPostgresClusters.StartAsync(
            new LocalPostgresOptions { DataFolder = folder, MaxConnections = 200 },
            NullLoggerFactory.Instance,
            TimeProvider.System,
            CancellationToken.None
        );
        var port = ChildProcess.FreePort();
        var host = ChildProcess.Start(
            ChildProcess.Api,
            [],
            new Dictionary<string, string>
            {
                ["ConnectionStrings__Catalog"] = clusters.Clusters[0].ConnectionString,
                ["Servers__local-1__ConnectionString"] = clusters.Clusters[0].ConnectionString,
                ["Servers__local-2__ConnectionString"] = clusters.Clusters[1].ConnectionString,
                ["Admin__BootstrapKey"] = StaffKey,
                ["Demo__Preset"] = "none",
                ["Logging__LogLevel__Default"] = "Warning",
                ["ASPNETCORE_ENVIRONMENT"] = "Production",
                ["Urls"] = $"http://127.0.0.1:{port}",
            }
        );
        host.DrainOutput();
        await host.WaitForAsync(port, "/health/ready");
        return new MoveStage(clusters, folder, host, port);
    }

    public async Task<DemoTenant> CreateTenantAsync(string slug, string isolation)
    {
        await SendAsync(
            $"/admin/v1/tenants",
            new
            {
                slug,
                name = slug,
                isolation,
                server = "local-1",
            }
        );
        var key = await SendAsync($"/admin/v1/tenants/{slug}/api-keys", new { name = "demo", role = "editor" });
        return new DemoTenant(slug, (string)key["key"]!);
    }

    /// <summary>Writes documents of 100 KB over HTTP.</summary>
    public async Task FillAsync(DemoTenant tenant, int megabytes)
    {
        using var client = MoveLoad.Client(Port, tenant);
        var words = string.Join(' ', Enumerable.Range(0, 2_000).Select(i => $"word{i * 7919 % 5000}"));
        var body = string.Join('\n', Enumerable.Repeat(words, 5));
        await Parallel.ForEachAsync(
            Enumerable.Range(0, megabytes * 1_000_000 / body.Length),
            new ParallelOptions { MaxDegreeOfParallelism = 4 },
            async (i, stop) =>
            {
                using var answer = await client.PostAsJsonAsync(
                    "/v1/documents",
                    new { title = $"filler {i}", body },
                    stop
                );
                answer.EnsureSuccessStatusCode();
            }
        );
    }

    /// <summary>Moves the tenant and returns the operation's result.</summary>
    /// <param name="tenant">Who moves.</param>
    /// <param name="isolation">To which isolation.</param>
    /// <param name="server">To which server.</param>
    /// <param name="enter">Called with each phase that the move enters.</param>
    public async Task<JsonNode> MoveAsync(DemoTenant tenant, string isolation, string server, Action<string> enter)
    {
        var move = await SendAsync(
            $"/admin/v1/tenants/{tenant.Slug}/moves",
            new
            {
                isolation,
                server,
                keepSourceFor = "PT1M",
            }
        );
        var started = Stopwatch.GetTimestamp();
        while ((string)move["status"]! is "pending" or "running" or "waiting")
        {
            if (Stopwatch.GetElapsedTime(started) > TimeSpan.FromMinutes(30))
            {
                throw new BenchmarkException("The move does not end.");
            }

            await Task.Delay(50);
            enter((string)move["phase"]!);
            move = (await _staff.GetFromJsonAsync<JsonNode>($"/admin/v1/operations/{move["id"]}"))!;
        }

        return (string)move["status"]! == "succeeded"
            ? move["result"]!
            : throw new BenchmarkException($"The move did not succeed: {move.ToJsonString()}");
    }

    public async ValueTask DisposeAsync()
    {
        _staff.Dispose();
        _host.Dispose();
        await _clusters.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<JsonNode> SendAsync(string path, object body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
        request.Headers.Add("Prefer", path.EndsWith("/moves", StringComparison.Ordinal) ? "wait=0" : "wait=60");
        using var answer = await _staff.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return answer.IsSuccessStatusCode
            ? JsonNode.Parse(text)!
            : throw new BenchmarkException($"{path}: {(int)answer.StatusCode} {text}");
    }
}
