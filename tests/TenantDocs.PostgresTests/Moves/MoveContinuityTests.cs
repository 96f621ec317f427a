using System.Net;
using System.Text.Json;
using TenantDocs.PostgresTests.Http;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>
/// What a client got before a move goes on working after it, and what a tenant could see before it, it sees after it.
/// </summary>
[Collection<OneMoveHost>]
public sealed class MoveContinuityTests(MoveHost host)
{
    private const string Create = """{"title":"Once","body":"Told once.","tags":["red"]}""";

    private string _key = "";

    [Theory]
    [InlineData("shared", "schema", MoveHost.First)]
    [InlineData("schema", "database", MoveHost.Second)]
    [InlineData("database", "shared", MoveHost.Second)]
    public async Task Nothing_that_a_client_holds_or_sees_is_another_after_a_move(string from, string to, string server)
    {
        var slug = await host.NewHomeAsync(from);
        _key = await host.EditorAsync(slug);
        var revoked = await host.EditorAsync(slug);
        await host.StaffAsync(HttpMethod.Delete, $"tenants/{slug}/api-keys/{await NewestKeyAsync(slug)}");
        var (kept, trashed) = await FillAsync();
        var first = await CreateAsync("k-1", Create);
        var etag = (await GetAsync($"/v1/documents/{kept}")).Headers.ETag!.Tag;
        var page = await JsonAsync("/v1/documents?limit=2");
        var next = $"/v1/documents?limit=2&cursor={page.GetProperty("next").GetString()}";
        var feed = await JsonAsync("/v1/changes?limit=4");
        var rest = $"/v1/changes?after={feed.GetProperty("next").GetInt64()}";
        string[] views =
        [
            "/v1/documents?include=body&limit=200",
            "/v1/documents?trashed=true&include=body",
            "/v1/trash",
            "/v1/tags",
            "/v1/search?q=text",
            "/v1/usage",
            "/v1/tenant",
            $"/v1/documents/{kept}/versions",
            $"/v1/documents/{kept}/versions/1",
            $"/v1/documents/{trashed}?trashed=true",
            $"/v1/documents/{trashed}/versions?trashed=true",
            "/v1/changes",
            rest,
            next,
        ];
        var before = await SeeAsync(views);

        await host.EndAsync(
            await host.BegunAsync(
                slug,
                new
                {
                    isolation = to,
                    server,
                    keepSourceFor = "PT0S",
                }
            )
        );

        Assert.Equal((to, server, 2), await host.PlaceAsync(slug));
        Assert.Equal(before, await SeeAsync(views));
        await (await host.GetAsync("/v1/documents", revoked)).ShouldBeAsync(401, "unauthenticated");
        await (await GetAsync($"{next[..^4]}AAAA")).ShouldBeAsync(400, "invalid-cursor");
        await ReplaysAsync(first);
        await ChangesAsync(kept, etag);
        await RestoresAsync(trashed);
        await FeedGoesOnAsync(feed);
    }

    /// <summary>Three that live, one of them changed; one in the trash; one that is gone for good.</summary>
    private async Task<(string Kept, string Trashed)> FillAsync()
    {
        await host.WriteAsync(_key, "Alpha");
        var kept = await host.WriteAsync(_key, "Beta");
        await host.WriteAsync(_key, "Gamma");
        var trashed = await host.WriteAsync(_key, "Delta");
        var gone = await host.WriteAsync(_key, "Epsilon");
        var change = """{"tags":["blue","red"],"metadata":{"n":1.50}}""";
        await WithAsync(HttpMethod.Patch, $"/v1/documents/{kept}", "\"1\"", 200, change);
        await WithAsync(HttpMethod.Delete, $"/v1/documents/{trashed}", "\"1\"", 200);
        await WithAsync(HttpMethod.Delete, $"/v1/documents/{gone}", "\"1\"", 200);
        await WithAsync(HttpMethod.Delete, $"/v1/trash/{gone}", "\"2\"", 204);
        return (kept, trashed);
    }

    private async Task ReplaysAsync(HttpResponseMessage first)
    {
        var again = await CreateAsync("k-1", Create);
        Assert.Equal(HttpStatusCode.Created, again.StatusCode);
        Assert.Equal(await first.TextAsync(), await again.TextAsync());
        Assert.Equal(first.Headers.Location, again.Headers.Location);
        Assert.Equal(first.Headers.ETag, again.Headers.ETag);
        var other = await CreateAsync("k-1", """{"title":"Another","body":""}""");
        await other.ShouldBeAsync(422, "idempotency-key-reused");
        Assert.Equal(["Alpha", "Beta", "Gamma", "Once"], await host.TitlesAsync(_key));
        // The control: another key is another document.
        Assert.Equal(HttpStatusCode.Created, (await CreateAsync("k-2", Create)).StatusCode);
        Assert.Equal(["Alpha", "Beta", "Gamma", "Once", "Once"], await host.TitlesAsync(_key));
    }

    private async Task ChangesAsync(string kept, string etag)
    {
        var path = $"/v1/documents/{kept}";
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Add("If-None-Match", etag);
        Assert.Equal(HttpStatusCode.NotModified, (await host.SendAsync(request, _key)).StatusCode);
        await WithAsync(HttpMethod.Patch, path, "\"1\"", 412, """{"title":"Stale"}""");
        await WithAsync(HttpMethod.Patch, path, etag, 200, """{"title":"Beta, changed"}""");
        await WithAsync(HttpMethod.Patch, path, etag, 412, """{"title":"Stale"}""");
        Assert.Equal(3, (await JsonAsync(path)).GetProperty("version").GetInt64());
    }

    private async Task RestoresAsync(string trashed)
    {
        Assert.Equal(HttpStatusCode.NotFound, (await GetAsync($"/v1/documents/{trashed}")).StatusCode);
        await WithAsync(HttpMethod.Post, $"/v1/documents/{trashed}/restore", "\"2\"", 200);
        Assert.Equal("Delta", (await JsonAsync($"/v1/documents/{trashed}")).GetProperty("title").GetString());
    }

    // A client that follows the feed from where it was sees every change since, each once and without a gap.
    private async Task FeedGoesOnAsync(JsonElement feed)
    {
        var whole = await JsonAsync($"/v1/changes?after={feed.GetProperty("next").GetInt64()}");
        var items = feed.GetProperty("items").EnumerateArray().Concat(whole.GetProperty("items").EnumerateArray());
        var seqs = items.Select(i => i.GetProperty("seq").GetInt64()).ToList();
        Assert.Equal(Enumerable.Range(1, seqs.Count).Select(i => (long)i), seqs);
        // 6 made, 1 changed, 2 trashed, 1 gone; since the move 1 made, 1 changed, 1 restored.
        Assert.Equal(13, seqs.Count);
    }

    private async Task<IReadOnlyList<string>> SeeAsync(IEnumerable<string> views)
    {
        var seen = new List<string>();
        foreach (var view in views)
        {
            var answer = await GetAsync(view);
            seen.Add($"{view}: {(int)answer.StatusCode} {await answer.TextAsync()}");
            Assert.True(answer.StatusCode is HttpStatusCode.OK, seen[^1]);
        }

        return seen;
    }

    private async Task<string?> NewestKeyAsync(string slug)
    {
        var keys = (await host.ReadAsync($"tenants/{slug}/api-keys")).GetProperty("items").EnumerateArray();
        return keys.OrderBy(k => k.GetProperty("createdAt").GetString(), StringComparer.Ordinal)
            .Last()
            .GetProperty("id")
            .GetString();
    }

    private Task<HttpResponseMessage> GetAsync(string path) => host.GetAsync(path, _key);

    private async Task<JsonElement> JsonAsync(string path) => await (await GetAsync(path)).JsonAsync();

    private Task<HttpResponseMessage> CreateAsync(string idempotencyKey, string body)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/documents")
        {
            Content = new StringContent(body, null, "application/json"),
        };
        request.Headers.Add("Idempotency-Key", idempotencyKey);
        return host.SendAsync(request, _key);
    }

    private async Task WithAsync(HttpMethod method, string path, string etag, int status, string? body = null)
    {
        var request = new HttpRequestMessage(method, path);
        request.Headers.Add("If-Match", etag);
        request.Content = body is null ? null : new StringContent(body, null, "application/merge-patch+json");
        var answer = await host.SendAsync(request, _key);
        Assert.True(
            (int)answer.StatusCode == status,
            $"{method} {path}: {(int)answer.StatusCode} {await answer.TextAsync()}"
        );
    }
}
