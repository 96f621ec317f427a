using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>
/// Writers and readers of one tenant over HTTP, and what they saw. A writer makes documents and overwrites one of its
/// own; a reader must see what was acknowledged before it asked.
/// </summary>
internal sealed class MoveLoad(int port, DemoTenant tenant, int writers, int readers) : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly HttpClient _client = Client(port, tenant);
    private readonly ConcurrentDictionary<string, int> _created = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, long> _versions = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, ConcurrentQueue<double>> _latencies = new(StringComparer.Ordinal);
    private readonly List<Task> _tasks = [];
    private volatile string _phase = "before";
    private int _failed;
    private int _stale;
    private int _acknowledged;

    public int Acknowledged => _acknowledged;

    public int Failed => _failed;

    public int Stale => _stale;

    public static HttpClient Client(int port, DemoTenant tenant)
    {
        var client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 64 })
        {
            BaseAddress = new Uri($"http://127.0.0.1:{port}"),
        };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", tenant.Key);
        return client;
    }

    public void Start()
    {
        for (var i = 0; i < writers; i++)
        {
            _tasks.Add(Task.Run(WriteAsync));
        }

        for (var i = 0; i < readers; i++)
        {
            _tasks.Add(Task.Run(ReadAsync));
        }
    }

    public void Enter(string phase) => _phase = phase;

    /// <summary>The phases of moves during which there were requests.</summary>
    public IReadOnlyList<string> Phases => [.. _latencies.Keys.Where(p => p.Contains(' ')).Order()];

    /// <summary>Milliseconds of the requests that began in a phase, or in any whose name begins with it; in order.</summary>
    public IReadOnlyList<double> Latencies(string phase) =>
        [.. _latencies.Where(l => l.Key == phase || l.Key.StartsWith(phase + " ")).SelectMany(l => l.Value).Order()];

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_tasks);
    }

    public void Dispose()
    {
        _stop.Dispose();
        _client.Dispose();
    }

    /// <summary>Reads the whole tenant, page by page, and compares it with what was acknowledged.</summary>
    public async Task<(int Lost, int Doubled)> JudgeAsync()
    {
        var found = new Dictionary<string, int>(StringComparer.Ordinal);
        string? next = null;
        do
        {
            var page = await _client.GetFromJsonAsync<JsonNode>(
                "/v1/documents?limit=200&sort=createdAt" + (next is null ? "" : "&cursor=" + Uri.EscapeDataString(next))
            );
            foreach (var item in page!["items"]!.AsArray())
            {
                var title = (string)item!["title"]!;
                found[title] = found.GetValueOrDefault(title) + 1;
            }

            next = (string?)page["next"];
        } while (next is not null);

        return (
            _created.Keys.Count(t => !found.ContainsKey(t)),
            _created.Keys.Count(t => found.GetValueOrDefault(t) > 1)
        );
    }

    private async Task WriteAsync()
    {
        string? register = null;
        while (!_stop.IsCancellationRequested)
        {
            var title = $"write {Guid.NewGuid():n}";
            using var created = await TimedAsync(() =>
                _client.PostAsJsonAsync("/v1/documents", new { title, body = title })
            );
            if (!await IsGoodAsync(created, HttpStatusCode.Created))
            {
                continue;
            }

            _created[title] = 0;
            Interlocked.Increment(ref _acknowledged);
            var document = await created!.Content.ReadFromJsonAsync<JsonNode>();
            register ??= (string)document!["id"]!;
            await OverwriteAsync(register);
        }
    }

    private async Task OverwriteAsync(string register)
    {
        var version = _versions.GetOrAdd(register, 1);
        using var changed = await TimedAsync(() =>
        {
            var request = new HttpRequestMessage(HttpMethod.Patch, $"/v1/documents/{register}")
            {
                Content = JsonContent.Create(
                    new { body = $"version {version + 1}" },
                    new MediaTypeHeaderValue("application/merge-patch+json")
                ),
            };
            request.Headers.TryAddWithoutValidation("If-Match", $"\"{version}\"");
            return _client.SendAsync(request);
        });
        if (await IsGoodAsync(changed, HttpStatusCode.OK))
        {
            _versions[register] = version + 1;
            Interlocked.Increment(ref _acknowledged);
        }
    }

    private async Task ReadAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            var (register, least) = _versions.FirstOrDefault();
            if (register is null)
            {
                await Task.Delay(5);
                continue;
            }

            using var answer = await TimedAsync(() =>
                _client.GetAsync(new Uri($"/v1/documents/{register}", UriKind.Relative))
            );
            if (await IsGoodAsync(answer, HttpStatusCode.OK))
            {
                var document = await answer!.Content.ReadFromJsonAsync<JsonNode>();
                if ((long)document!["version"]! < least)
                {
                    Interlocked.Increment(ref _stale);
                }
            }
        }
    }

    private async Task<HttpResponseMessage?> TimedAsync(Func<Task<HttpResponseMessage>> send)
    {
        var phase = _phase;
        var started = Stopwatch.GetTimestamp();
        try
        {
            return await send();
        }
        catch (HttpRequestException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return null;
        }
        finally
        {
            _latencies
                .GetOrAdd(phase, _ => new ConcurrentQueue<double>())
                .Enqueue(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }
    }

    private async Task<bool> IsGoodAsync(HttpResponseMessage? answer, HttpStatusCode expected)
    {
        if (answer?.StatusCode == expected)
        {
            return true;
        }

        Interlocked.Increment(ref _failed);
        if (answer is not null)
        {
            await Console.Error.WriteLineAsync($"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        }

        return false;
    }
}
