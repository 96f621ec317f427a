using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using TenantDocs.Benchmarks.Hosts;
using TenantDocs.Benchmarks.Rows;
using TenantDocs.LocalPostgres;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>A tenant of the demo, with a key of its own.</summary>
internal sealed record DemoTenant(string Slug, string Key);

/// <summary>Hosts of the product on two embedded clusters of its own, durable as users get them.</summary>
internal sealed class MoveStage : IAsyncDisposable
{
    private const string StaffKey = "td_move_demo_staff_key_0123456789";
    private static readonly TimeSpan LongestMove = TimeSpan.FromMinutes(30);
    private readonly LocalPostgresClusters _clusters;
    private readonly string _folder;
    private readonly ServedHost _host;
    private readonly HttpClient _staff;

    private MoveStage(LocalPostgresClusters clusters, string folder, ServedHost host)
    {
        _clusters = clusters;
        _folder = folder;
        _host = host;
        _staff = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{host.Port}"), Timeout = LongestMove };
        _staff.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", StaffKey);
    }

    public int Port => _host.Port;

    public Version Version => _clusters.Clusters[0].Version;

    /// <summary>The most resident memory that the host was seen with while moves went on.</summary>
    public double MostMiB { get; private set; }

    /// <summary>The superuser's way to a server.</summary>
    public string ConnectionString(int cluster) => _clusters.Clusters[cluster].ConnectionString;

    public double ResidentMiB() => _host.Process.ResidentMiB();

    /// <param name="works">Whether the host carries out operations itself; else only what is started beside it does.</param>
    public static async Task<MoveStage> StartAsync(bool works = true)
    {
        var folder = Path.Combine(Path.GetTempPath(), "tenantdocs-move-" + Path.GetRandomFileName());
        PrivateFile.CreateFolder(folder, PrivateFile.PassableFolder);
        var clusters = await LocalPostgresClusters.StartAsync(
            new LocalPostgresOptions { DataFolder = folder, MaxConnections = 200 },
            NullLoggerFactory.Instance,
            TimeProvider.System,
            CancellationToken.None
        );
        return new MoveStage(clusters, folder, await StartHostAsync(clusters, works));
    }

    /// <summary>Another host of the platform, which carries out operations; returns when it is ready.</summary>
    public async Task<ChildProcess> StartWorkerAsync() => (await StartHostAsync(_clusters, works: true)).Process;

    /// <summary>What a host of the platform has to know.</summary>
    public Dictionary<string, string> Configuration(int port) => Configuration(_clusters, port);

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
            },
            wait: 60
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

    /// <summary>Moves the tenant and returns the operation when it has ended, well or not.</summary>
    /// <param name="tenant">Who moves.</param>
    /// <param name="isolation">To which isolation.</param>
    /// <param name="server">To which server.</param>
    /// <param name="enter">Called with each phase that the move enters, when it does.</param>
    public async Task<JsonNode> MoveAsync(DemoTenant tenant, string isolation, string server, Action<string> enter) =>
        await WatchAsync(await BeginMoveAsync(tenant, isolation, server), enter);

    /// <summary>Asks for a move.</summary>
    public Task<JsonNode> BeginMoveAsync(DemoTenant tenant, string isolation, string server) =>
        SendAsync(
            $"/admin/v1/tenants/{tenant.Slug}/moves",
            new
            {
                isolation,
                server,
                keepSourceFor = "PT1M",
            }
        );

    /// <summary>Follows an operation by its events to its end.</summary>
    public async Task<JsonNode> WatchAsync(JsonNode operation, Action<string> enter)
    {
        using var over = new CancellationTokenSource(LongestMove);
        var sampling = SampleAsync(over.Token);
        var phase = "";
        try
        {
            await using var stream = await _staff.GetStreamAsync(
                new Uri($"/admin/v1/operations/{operation["id"]}/events", UriKind.Relative),
                over.Token
            );
            await foreach (var item in SseParser.Create(stream).EnumerateAsync(over.Token))
            {
                operation = JsonNode.Parse(item.Data)!;
                if ((string?)operation["phase"] is { } now && now != phase && !HasEnded(operation))
                {
                    enter(phase = now);
                }
            }
        }
        catch (OperationCanceledException)
        {
            throw new BenchmarkException("The operation does not end.");
        }
        finally
        {
            await over.CancelAsync();
            await sampling;
        }

        return HasEnded(operation)
            ? operation
            : throw new BenchmarkException(
                $"The events of an operation ended before it did: {operation.ToJsonString()}"
            );
    }

    public static bool HasSucceeded(JsonNode operation) => (string)operation["status"]! == "succeeded";

    /// <summary>What a move says of itself.</summary>
    public static JsonNode ResultOf(JsonNode move) =>
        HasSucceeded(move)
            ? move["result"]!
            : throw new BenchmarkException($"The move did not succeed: {move.ToJsonString()}");

    /// <summary>Removes what a move keeps of its source, and returns when that is done.</summary>
    public async Task FinalizeAsync(JsonNode move)
    {
        var removal = await SendAsync($"/admin/v1/operations/{move["id"]}/finalize", null);
        await WatchAsync(removal, _ => { });
    }

    /// <summary>What moves left behind on both servers.</summary>
    public Task<long> LeftoversAsync() => Leftovers.CountAsync(_clusters.Clusters.Select(c => c.ConnectionString));

    public async ValueTask DisposeAsync()
    {
        _staff.Dispose();
        _host.Process.Dispose();
        await _clusters.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task<ServedHost> StartHostAsync(LocalPostgresClusters clusters, bool works)
    {
        var port = ChildProcess.FreePort();
        var environment = Configuration(clusters, port);
        environment["Operations__Enabled"] = works ? "true" : "false";
        var process = ChildProcess.Start(ChildProcess.Api, [], environment);
        process.DrainOutput();
        await process.WaitForAsync(port, "/health/ready");
        return new ServedHost(process, port);
    }

    private static Dictionary<string, string> Configuration(LocalPostgresClusters clusters, int port) =>
        new()
        {
            ["ConnectionStrings__Catalog"] = clusters.Clusters[0].ConnectionString,
            ["Servers__local-1__ConnectionString"] = clusters.Clusters[0].ConnectionString,
            ["Servers__local-2__ConnectionString"] = clusters.Clusters[1].ConnectionString,
            ["Admin__BootstrapKey"] = StaffKey,
            ["Demo__Preset"] = "none",
            ["Logging__LogLevel__Default"] = "Warning",
            ["ASPNETCORE_ENVIRONMENT"] = "Production",
            ["Urls"] = $"http://127.0.0.1:{port}",
        };

    private static bool HasEnded(JsonNode operation) =>
        (string)operation["status"]! is "succeeded" or "failed" or "cancelled";

    private async Task SampleAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            MostMiB = Math.Max(MostMiB, ResidentMiB());
            await Task.Delay(50, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<JsonNode> SendAsync(string path, object? body, int wait = 0)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        request.Content = body is null ? null : JsonContent.Create(body);
        request.Headers.Add("Prefer", $"wait={wait}");
        using var answer = await _staff.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return answer.IsSuccessStatusCode
            ? JsonNode.Parse(text)!
            : throw new BenchmarkException($"{path}: {(int)answer.StatusCode} {text}");
    }
}
