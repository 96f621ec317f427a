using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>A request that was sent.</summary>
/// <param name="From">When it was to be sent; when it was sent, where there is no rate.</param>
/// <param name="Until">When it was answered.</param>
/// <param name="IsWrite">Creates or changes.</param>
/// <param name="IsServed">Answered as it should be.</param>
internal readonly record struct SentRequest(long From, long Until, bool IsWrite, bool IsServed)
{
    public double Milliseconds => Stopwatch.GetElapsedTime(From, Until).TotalMilliseconds;
}

/// <summary>
/// Writers and readers of one tenant over HTTP, and what they saw. A writer makes documents and overwrites one of its
/// own; a reader must see what was acknowledged before it asked.
/// </summary>
/// <param name="port">The host's.</param>
/// <param name="tenant">Whose.</param>
/// <param name="writers">How many write.</param>
/// <param name="readers">How many read.</param>
/// <param name="rate">Requests per second of each; 0: as fast as they are answered.</param>
internal sealed class MoveLoad(int port, DemoTenant tenant, int writers, int readers, int rate) : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly HttpClient _client = Client(port, tenant);
    private readonly ConcurrentDictionary<string, int> _created = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, long> _versions = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<SentRequest> _sent = new();
    private readonly List<Task> _tasks = [];
    private int _failed;
    private int _refused;
    private int _stale;
    private int _acknowledged;

    public int Acknowledged => _acknowledged;

    public int Failed => _failed;

    /// <summary>Answered 503: not served now, and the client may come again.</summary>
    public int Refused => _refused;

    public int Stale => _stale;

    /// <summary>All requests so far.</summary>
    public IReadOnlyList<SentRequest> Sent => [.. _sent];

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
        var clients = writers + readers;
        for (var i = 0; i < clients; i++)
        {
            var pace = new Pace(rate, (double)i / clients);
            var writes = i < writers;
            _tasks.Add(Task.Run(() => writes ? WriteAsync(pace) : ReadAsync(pace)));
        }
    }

    /// <summary>Returns when so many more writes are acknowledged.</summary>
    public async Task AdvanceAsync(int writes)
    {
        var goal = Acknowledged + writes;
        var started = Stopwatch.GetTimestamp();
        while (Acknowledged < goal)
        {
            if (Stopwatch.GetElapsedTime(started) > TimeSpan.FromMinutes(1))
            {
                throw new BenchmarkException("The writers do not get on.");
            }

            await Task.Delay(5);
        }
    }

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
        var versions = new Dictionary<string, long>(StringComparer.Ordinal);
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
                versions[(string)item["id"]!] = (long)item["version"]!;
            }

            next = (string?)page["next"];
        } while (next is not null);

        return (
            _created.Keys.Count(t => !found.ContainsKey(t))
                + _versions.Count(v => versions.GetValueOrDefault(v.Key) < v.Value),
            _created.Keys.Count(t => found.GetValueOrDefault(t) > 1)
        );
    }

    private async Task WriteAsync(Pace pace)
    {
        string? register = null;
        while (!_stop.IsCancellationRequested)
        {
            var title = $"write {Guid.NewGuid():n}";
            using var created = await SendAsync(
                pace,
                HttpStatusCode.Created,
                isWrite: true,
                () => _client.PostAsJsonAsync("/v1/documents", new { title, body = title })
            );
            if (created is null)
            {
                continue;
            }

            _created[title] = 0;
            Interlocked.Increment(ref _acknowledged);
            var document = await created.Content.ReadFromJsonAsync<JsonNode>();
            register ??= (string)document!["id"]!;
            await OverwriteAsync(pace, register);
        }
    }

    private async Task OverwriteAsync(Pace pace, string register)
    {
        var version = _versions.GetOrAdd(register, 1);
        using var changed = await SendAsync(
            pace,
            HttpStatusCode.OK,
            isWrite: true,
            () =>
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
            }
        );
        if (changed is not null)
        {
            _versions[register] = version + 1;
            Interlocked.Increment(ref _acknowledged);
        }
    }

    private async Task ReadAsync(Pace pace)
    {
        while (!_stop.IsCancellationRequested)
        {
            var (register, _) = _versions.FirstOrDefault();
            if (register is null)
            {
                await Task.Delay(5);
                continue;
            }

            // Known when the request is sent, which a late client does later than planned.
            var least = 0L;
            using var answer = await SendAsync(
                pace,
                HttpStatusCode.OK,
                isWrite: false,
                () =>
                {
                    least = _versions[register];
                    return _client.GetAsync(new Uri($"/v1/documents/{register}", UriKind.Relative));
                }
            );
            if (answer is not null)
            {
                var document = await answer.Content.ReadFromJsonAsync<JsonNode>();
                if ((long)document!["version"]! < least)
                {
                    Interlocked.Increment(ref _stale);
                }
            }
        }
    }

    /// <summary>The answer; null when it is not the expected one, or the load has ended.</summary>
    private async Task<HttpResponseMessage?> SendAsync(
        Pace pace,
        HttpStatusCode expected,
        bool isWrite,
        Func<Task<HttpResponseMessage>> send
    )
    {
        var from = await pace.NextAsync(_stop.Token);
        if (_stop.IsCancellationRequested)
        {
            return null;
        }

        HttpResponseMessage? answer = null;
        try
        {
            answer = await send();
        }
        catch (HttpRequestException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
        }

        var isServed = answer?.StatusCode == expected;
        _sent.Enqueue(new SentRequest(from, Stopwatch.GetTimestamp(), isWrite, isServed));
        if (isServed)
        {
            return answer;
        }

        if (answer?.StatusCode is HttpStatusCode.ServiceUnavailable)
        {
            Interlocked.Increment(ref _refused);
        }
        else
        {
            Interlocked.Increment(ref _failed);
        }

        if (answer is not null)
        {
            await Console.Error.WriteLineAsync($"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
            answer.Dispose();
        }

        return null;
    }
}
