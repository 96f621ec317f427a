using System.Net.Http.Json;
using System.Text.Json;
using TenantDocs.PostgresTests.Http;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>The tests of moves over HTTP share one host with two servers.</summary>
[CollectionDefinition]
public sealed class OneMoveHost : ICollectionFixture<MoveHost>;

/// <summary>The real host on two servers in two regions, and what tests of moves ask of it.</summary>
public sealed class MoveHost(PostgresFixture postgres) : HttpHost(postgres)
{
    public const string First = "local-1";
    public const string Second = "local-2";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>A call of the admin API with the bootstrap key, or another credential.</summary>
    public Task<HttpResponseMessage> StaffAsync(
        HttpMethod method,
        string path,
        object? body = null,
        (string Name, string Value)? header = null,
        string credential = BootstrapKey
    )
    {
        var request = new HttpRequestMessage(method, path.StartsWith('/') ? path : $"/admin/v1/{path}")
        {
            Content = body switch
            {
                null => null,
                string text => new StringContent(text, null, "application/json"),
                _ => JsonContent.Create(body),
            },
        };
        if (header is var (name, value))
        {
            request.Headers.Add(name, value);
        }

        return SendAsync(request, credential);
    }

    public async Task<JsonElement> ReadAsync(string path) => await (await StaffAsync(HttpMethod.Get, path)).JsonAsync();

    /// <summary>A new tenant with its data on the first server, unless said otherwise; returns its slug.</summary>
    public async Task<string> NewHomeAsync(string isolation = "shared", string server = First, string? region = null)
    {
        var slug = $"m-{Guid.NewGuid():n}"[..20];
        var made = await StaffAsync(
            HttpMethod.Post,
            "tenants",
            new
            {
                slug,
                name = "Movable",
                isolation,
                server,
                region,
            },
            ("Prefer", "wait=60")
        );
        Assert.True((int)made.StatusCode == 201, await made.TextAsync());
        return slug;
    }

    public async Task<string> EditorAsync(string slug) => await NewKeyAsync(await FindTenantAsync(slug), "editor");

    public Task<HttpResponseMessage> BeginAsync(string slug, object body, (string, string)? header = null) =>
        StaffAsync(HttpMethod.Post, $"tenants/{slug}/moves", body, header);

    /// <summary>Begins a move that is accepted; returns where it can be followed.</summary>
    public async Task<string> BegunAsync(string slug, object body) => await AcceptedAsync(await BeginAsync(slug, body));

    /// <summary>The address of an operation that was accepted.</summary>
    public static async Task<string> AcceptedAsync(HttpResponseMessage answer)
    {
        Assert.True((int)answer.StatusCode == 202, $"{(int)answer.StatusCode}: {await answer.TextAsync()}");
        var operation = await answer.JsonAsync();
        Assert.Equal($"/admin/v1/operations/{operation.GetProperty("id")}", answer.Headers.Location!.OriginalString);
        return answer.Headers.Location.OriginalString;
    }

    /// <summary>Polls an operation until it is so, and returns all that was seen of it on the way, oldest first.</summary>
    public async Task<IReadOnlyList<JsonElement>> PollAsync(string location, params string[] statuses)
    {
        var seen = new List<JsonElement>();
        var until = TimeProvider.System.GetTimestamp();
        do
        {
            Assert.True(
                TimeProvider.System.GetElapsedTime(until) < Patience,
                $"It stays as it is: {(seen.Count > 0 ? seen[^1] : default)}"
            );
            if (seen.Count > 0)
            {
                await Task.Delay(15, Cancellation);
            }

            seen.Add(await ReadAsync(location));
        } while (!statuses.Contains(seen[^1].GetProperty("status").GetString()));

        return seen;
    }

    /// <summary>The operation at its end.</summary>
    public async Task<JsonElement> EndAsync(string location, string status = "succeeded")
    {
        var ended = (await PollAsync(location, "succeeded", "failed", "cancelled"))[^1];
        Assert.True(ended.GetProperty("status").GetString() == status, ended.GetRawText());
        return ended;
    }

    /// <summary>A move that waits for its word; returns where it can be followed.</summary>
    public async Task<string> WaitingAsync(string slug, object body)
    {
        var location = await BegunAsync(slug, body);
        while ((await PollAsync(location, "waiting", "failed"))[^1].GetProperty("phase").GetString() != "ready")
        {
            Assert.NotEqual("failed", (await ReadAsync(location)).GetProperty("status").GetString());
        }

        return location;
    }

    public Task<HttpResponseMessage> PostAsync(string location, string verb) =>
        StaffAsync(HttpMethod.Post, $"{location}/{verb}");

    /// <summary>Where the tenant lives: isolation, server, epoch.</summary>
    public async Task<(string?, string?, long)> PlaceAsync(string slug)
    {
        var place = (await ReadAsync($"tenants/{slug}")).GetProperty("placement");
        return (
            place.GetProperty("isolation").GetString(),
            place.GetProperty("server").GetString(),
            place.GetProperty("epoch").GetInt64()
        );
    }

    /// <summary>Creates a document as the tenant; returns its id.</summary>
    public async Task<string> WriteAsync(string key, string title)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/documents")
        {
            Content = JsonContent.Create(new { title, body = $"The text of {title}.\n" }),
        };
        var answer = await SendAsync(request, key);
        Assert.True((int)answer.StatusCode == 201, await answer.TextAsync());
        return (await answer.JsonAsync()).GetProperty("id").GetString()!;
    }

    /// <summary>The titles that the tenant sees, in order.</summary>
    public async Task<IReadOnlyList<string>> TitlesAsync(string key)
    {
        var page = await (await GetAsync("/v1/documents?sort=title&limit=200", key)).JsonAsync();
        return [.. page.GetProperty("items").EnumerateArray().Select(d => d.GetProperty("title").GetString()!)];
    }

    protected override async Task<Dictionary<string, string?>> SettingsAsync()
    {
        var settings = await base.SettingsAsync();
        settings["Servers:local-1:Region"] = "eu";
        settings["Servers:local-2:ConnectionString"] = await ServerAsync(1);
        settings["Servers:local-2:Region"] = "us";
        settings["Moves:ReturnInterval"] = "00:00:00.200";
        // No worker dies here, and one that had to wait for a loaded machine is not to be taken for dead.
        settings["Operations:LeaseTime"] = "00:00:15";
        return settings;
    }
}
