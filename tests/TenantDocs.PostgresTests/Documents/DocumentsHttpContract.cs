using System.Net;
using System.Text.Json;
using TenantDocs.Catalog;
using TenantDocs.PostgresTests.Http;

namespace TenantDocs.PostgresTests.Documents;

/// <summary>The documents of the tenant API over HTTP, on the real host: the same wherever the tenant lives.</summary>
[Collection<OneHttpHost>]
public abstract partial class DocumentsHttpContract(HttpHost host, IsolationModel model) : IAsyncLifetime
{
    protected const string MergePatch = "application/merge-patch+json";

    protected HttpHost Host => host;
    protected Tenant Tenant { get; private set; } = null!;
    protected string Key { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        Tenant = await NewTenantAsync();
        Key = await host.NewKeyAsync(Tenant, "editor");
        Assert.Equal(model, Tenant.Placement.Isolation);
    }

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_document_lives_through_create_read_patch_replace_trash_and_restore()
    {
        var created = await SendAsync(
            HttpMethod.Post,
            "/v1/documents",
            """{"title":"One","body":"b","tags":["x"],"metadata":{"n":1.50}}"""
        );
        var document = await JsonAsync(created, 201);
        var id = document.GetProperty("id").GetString();
        Assert.Equal($"/v1/documents/{id}", created.Headers.Location!.OriginalString);
        Assert.Equal("\"1\"", created.Headers.ETag!.Tag);
        Assert.Equal(
            [
                "body",
                "collectionId",
                "contentType",
                "createdAt",
                "createdBy",
                "deletedAt",
                "id",
                "metadata",
                "status",
                "tags",
                "title",
                "updatedAt",
                "updatedBy",
                "version",
            ],
            document.EnumerateObject().Select(p => p.Name).Order()
        );
        Assert.Equal("""{"n":1.50}""", document.GetProperty("metadata").GetRawText());
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$", document.GetProperty("createdAt").GetString());

        var read = await SendAsync(HttpMethod.Get, $"/v1/documents/{id}");
        Assert.Equal(document.GetRawText(), (await JsonAsync(read, 200)).GetRawText());
        var unchanged = await SendAsync(HttpMethod.Get, $"/v1/documents/{id}", headers: ("If-None-Match", "\"1\""));
        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Head, $"/v1/documents/{id}")).StatusCode);

        var patched = await SendAsync(
            HttpMethod.Patch,
            $"/v1/documents/{id}",
            """{"title":"Two"}""",
            MergePatch,
            ("If-Match", "\"1\"")
        );
        Assert.Equal("Two", (await JsonAsync(patched, 200)).GetProperty("title").GetString());
        Assert.Equal("\"2\"", patched.Headers.ETag!.Tag);
        var stale = await SendAsync(HttpMethod.Patch, $"/v1/documents/{id}", "{}", MergePatch, ("If-Match", "\"1\""));
        await stale.ShouldBeAsync(412, "precondition-failed");
        Assert.Equal("\"2\"", stale.Headers.ETag!.Tag);
        var replaced = await SendAsync(
            HttpMethod.Put,
            $"/v1/documents/{id}",
            """{"title":"Three","body":"c"}""",
            headers: ("If-Match", "\"2\"")
        );
        Assert.Equal(0, (await JsonAsync(replaced, 200)).GetProperty("tags").GetArrayLength());

        var trashed = await JsonAsync(
            await SendAsync(HttpMethod.Delete, $"/v1/documents/{id}", headers: ("If-Match", "\"3\"")),
            200
        );
        Assert.Equal(
            TimeSpan.FromDays(30),
            trashed.GetProperty("purgeAt").GetDateTimeOffset() - trashed.GetProperty("deletedAt").GetDateTimeOffset()
        );
        await (await SendAsync(HttpMethod.Get, $"/v1/documents/{id}")).ShouldBeAsync(404, "not-found");
        await JsonAsync(await SendAsync(HttpMethod.Get, $"/v1/documents/{id}?trashed=true"), 200);
        Assert.Single((await GetAsync("/v1/trash")).GetProperty("items").EnumerateArray());
        Assert.Single((await GetAsync("/v1/documents?trashed=true")).GetProperty("items").EnumerateArray());
        var restored = await SendAsync(HttpMethod.Post, $"/v1/documents/{id}/restore");
        Assert.Equal(5, (await JsonAsync(restored, 200)).GetProperty("version").GetInt32());
        await (await SendAsync(HttpMethod.Post, $"/v1/documents/{id}/restore")).ShouldBeAsync(409, "not-deleted");

        await JsonAsync(await SendAsync(HttpMethod.Delete, $"/v1/documents/{id}", headers: ("If-Match", "*")), 200);
        await (await SendAsync(HttpMethod.Delete, $"/v1/trash/{id}")).ShouldBeAsync(428, "precondition-required");
        var purged = await SendAsync(HttpMethod.Delete, $"/v1/trash/{id}", headers: ("If-Match", "\"6\""));
        Assert.Equal((HttpStatusCode.NoContent, ""), (purged.StatusCode, await purged.TextAsync()));
        await (await SendAsync(HttpMethod.Get, $"/v1/documents/{id}?trashed=true")).ShouldBeAsync(404, "not-found");
        Assert.Equal(0, (await GetAsync("/v1/usage")).GetProperty("bytes").GetInt64());
    }

    [Fact]
    public async Task Put_creates_once_with_a_chosen_id_and_needs_a_precondition()
    {
        var path = $"/v1/documents/{Guid.NewGuid()}";
        const string Body = """{"title":"One","body":""}""";

        var created = await SendAsync(HttpMethod.Put, path, Body, headers: ("If-None-Match", "*"));
        Assert.Equal((201, path), ((int)created.StatusCode, created.Headers.Location!.OriginalString));
        await (await SendAsync(HttpMethod.Put, path, Body, headers: ("If-None-Match", "*"))).ShouldBeAsync(
            412,
            "precondition-failed"
        );
        await (await SendAsync(HttpMethod.Put, path, Body)).ShouldBeAsync(428, "precondition-required");
        await (await SendAsync(HttpMethod.Put, path, Body, headers: ("If-None-Match", "\"1\""))).ShouldBeAsync(
            400,
            "validation-failed"
        );
        await (
            await SendAsync(HttpMethod.Put, $"/v1/documents/{Guid.NewGuid()}", Body, headers: ("If-Match", "\"1\""))
        ).ShouldBeAsync(404, "not-found");
    }

    [Fact]
    public async Task Versions_diff_and_times_show_the_past()
    {
        var id = await NewAsync("One", "a\nb\nc");
        var first = await GetAsync($"/v1/documents/{id}");
        await SendAsync(
            HttpMethod.Patch,
            $"/v1/documents/{id}",
            """{"body":"a\nB\nc","status":"published"}""",
            MergePatch,
            ("If-Match", "\"1\"")
        );

        var versions = await GetAsync($"/v1/documents/{id}/versions?limit=1");
        Assert.Equal(2, versions.GetProperty("items")[0].GetProperty("version").GetInt32());
        var rest = await GetAsync(
            $"/v1/documents/{id}/versions?limit=1&cursor={versions.GetProperty("next").GetString()}"
        );
        Assert.Equal(
            ("created", 1),
            (
                rest.GetProperty("items")[0].GetProperty("change").GetString(),
                rest.GetProperty("items")[0].GetProperty("version").GetInt32()
            )
        );
        Assert.Equal(JsonValueKind.Null, rest.GetProperty("next").ValueKind);
        Assert.Equal(first.GetRawText(), (await GetAsync($"/v1/documents/{id}/versions/1")).GetRawText());
        await (await SendAsync(HttpMethod.Get, $"/v1/documents/{id}/versions/9")).ShouldBeAsync(404, "not-found");
        await (await SendAsync(HttpMethod.Get, $"/v1/documents/{id}/versions/x")).ShouldBeAsync(404, "not-found");
        var born = first.GetProperty("createdAt").GetString();
        Assert.Equal(first.GetRawText(), (await GetAsync($"/v1/documents/{id}?asOf={born}")).GetRawText());
        await (await SendAsync(HttpMethod.Get, $"/v1/documents/{id}?asOf=2020-01-01T00:00:00Z")).ShouldBeAsync(
            404,
            "not-found"
        );

        var diff = await GetAsync($"/v1/documents/{id}/diff?from=1&to=2");
        Assert.Contains("-b\n+B\n", diff.GetProperty("unified").GetString(), StringComparison.Ordinal);
        Assert.Equal("published", diff.GetProperty("fields").GetProperty("status").GetProperty("to").GetString());
        var unified = await SendAsync(HttpMethod.Get, $"/v1/documents/{id}/diff?format=unified");
        Assert.Equal(diff.GetProperty("unified").GetString(), await unified.TextAsync());

        await (await SendAsync(HttpMethod.Post, $"/v1/documents/{id}/versions/1/restore")).ShouldBeAsync(
            428,
            "precondition-required"
        );
        var restored = await SendAsync(
            HttpMethod.Post,
            $"/v1/documents/{id}/versions/1/restore",
            headers: ("If-Match", "\"2\"")
        );
        Assert.Equal(
            (3, "a\nb\nc"),
            (
                (await JsonAsync(restored, 200)).GetProperty("version").GetInt32(),
                (await JsonAsync(restored, 200)).GetProperty("body").GetString()
            )
        );
    }

    [Fact]
    public async Task Lists_filter_sort_and_page_with_cursors_of_their_own()
    {
        var collection = Guid.NewGuid();
        foreach (var title in new[] { "b", "a", "c" })
        {
            await SendAsync(
                HttpMethod.Post,
                "/v1/documents",
                $$"""{"title":"{{title}}","body":"text","tags":["t{{title}}"],"collectionId":"{{collection}}"}"""
            );
        }

        Assert.Equal("cab", await TitlesAsync(""));
        Assert.Equal("abc", await TitlesAsync("sort=title"));
        Assert.Equal("cba", await TitlesAsync("sort=-title"));
        Assert.Equal("bac", await TitlesAsync("sort=createdAt"));
        Assert.Equal("a", await TitlesAsync("tag=ta"));
        Assert.Equal("cab", await TitlesAsync($"collectionId={collection}&status=draft"));
        Assert.Equal("", await TitlesAsync("status=published"));
        Assert.Equal("", await TitlesAsync("updatedSince=2999-01-01T00:00:00Z"));
        var plain = (await GetAsync("/v1/documents")).GetProperty("items")[0];
        var full = (await GetAsync("/v1/documents?include=body")).GetProperty("items")[0];
        Assert.False(plain.TryGetProperty("body", out _));
        Assert.Equal("text", full.GetProperty("body").GetString());

        var page = await GetAsync("/v1/documents?limit=2");
        var cursor = page.GetProperty("next").GetString();
        Assert.Equal("b", await TitlesAsync($"limit=2&cursor={cursor}"));
        foreach (
            var query in new[]
            {
                $"sort=title&cursor={cursor}",
                $"tag=ta&cursor={cursor}",
                "cursor=nonsense",
                $"cursor={cursor}x",
            }
        )
        {
            await (await SendAsync(HttpMethod.Get, $"/v1/documents?{query}")).ShouldBeAsync(400, "invalid-cursor");
        }

        var other = await host.NewKeyAsync(await NewTenantAsync(), "editor");
        await (await SendAsync(HttpMethod.Get, $"/v1/documents?limit=2&cursor={cursor}", key: other)).ShouldBeAsync(
            400,
            "invalid-cursor"
        );

        var tags = await GetAsync("/v1/tags?limit=2");
        Assert.Equal("""[{"tag":"ta","count":1},{"tag":"tb","count":1}]""", tags.GetProperty("items").GetRawText());
        Assert.Single(
            (await GetAsync($"/v1/tags?limit=2&cursor={tags.GetProperty("next").GetString()}"))
                .GetProperty("items")
                .EnumerateArray()
        );

        async Task<string> TitlesAsync(string query) =>
            string.Concat(
                (await GetAsync($"/v1/documents?{query}"))
                    .GetProperty("items")
                    .EnumerateArray()
                    .Select(d => d.GetProperty("title").GetString())
            );
    }

    [Fact]
    public async Task Search_and_changes_answer_in_their_form()
    {
        var id = await NewAsync("Zoo", "An <i>elephant</i> & more");

        var hit = Assert.Single((await GetAsync("/v1/search?q=elephants")).GetProperty("items").EnumerateArray());
        Assert.Equal(id, hit.GetProperty("id").GetString());
        Assert.Contains(
            "<mark>elephant</mark>",
            hit.GetProperty("highlights")[0].GetString(),
            StringComparison.Ordinal
        );
        Assert.DoesNotContain("<i>", hit.GetProperty("highlights")[0].GetString(), StringComparison.Ordinal);
        await (await SendAsync(HttpMethod.Get, "/v1/search")).ShouldBeAsync(400, "validation-failed");
        await (await SendAsync(HttpMethod.Get, "/v1/search?q=")).ShouldBeAsync(400, "validation-failed");
        await (await SendAsync(HttpMethod.Get, "/v1/search?q=%20")).ShouldBeAsync(400, "validation-failed");

        var feed = await GetAsync("/v1/changes?after=0");
        var change = Assert.Single(feed.GetProperty("items").EnumerateArray());
        Assert.Equal(
            (1, "document.created", id),
            (
                change.GetProperty("seq").GetInt32(),
                change.GetProperty("type").GetString(),
                change.GetProperty("documentId").GetString()
            )
        );
        Assert.Equal((1, true), (feed.GetProperty("next").GetInt32(), feed.GetProperty("caughtUp").GetBoolean()));
        Assert.Equal(1, (await GetAsync("/v1/changes?after=1")).GetProperty("next").GetInt32());
        await (await SendAsync(HttpMethod.Get, "/v1/changes?after=2")).ShouldBeAsync(400, "validation-failed");
        await (await SendAsync(HttpMethod.Get, "/v1/changes?after=-1")).ShouldBeAsync(400, "validation-failed");
    }

    [Fact]
    public async Task A_repeatedKey_gets_the_first_answer_again()
    {
        const string Body = """{"title":"One","body":""}""";
        var key = ("Idempotency-Key", "k-1");
        var first = await SendAsync(HttpMethod.Post, "/v1/documents", Body, headers: key);
        var again = await SendAsync(HttpMethod.Post, "/v1/documents", Body, headers: key);
        Assert.Equal(201, (int)again.StatusCode);
        Assert.Equal(await first.TextAsync(), await again.TextAsync());
        Assert.Equal((first.Headers.Location, first.Headers.ETag), (again.Headers.Location, again.Headers.ETag));
        await (
            await SendAsync(HttpMethod.Post, "/v1/documents", """{"title":"Two","body":""}""", headers: key)
        ).ShouldBeAsync(422, "idempotency-key-reused");
        await (
            await SendAsync(HttpMethod.Post, "/v1/documents", Body, headers: ("Idempotency-Key", new string('k', 256)))
        ).ShouldBeAsync(400, "validation-failed");
        Assert.Equal(1, (await GetAsync("/v1/changes")).GetProperty("next").GetInt32());
    }

    [Fact]
    public async Task A_viewer_reads_and_changes_nothing()
    {
        var id = await NewAsync("One", "");
        var viewer = await host.NewKeyAsync(Tenant, "viewer");
        await JsonAsync(await SendAsync(HttpMethod.Get, $"/v1/documents/{id}", key: viewer), 200);
        foreach (var (method, path) in Writes(id))
        {
            await (await SendAsync(method, path, "{}", key: viewer)).ShouldBeAsync(403, "forbidden");
        }
    }

    [Fact]
    public async Task A_document_of_anotherTenant_is_answered_as_one_that_does_not_exist()
    {
        var id = await NewAsync("One", "");
        var other = await host.NewKeyAsync(await NewTenantAsync(), "owner");
        foreach (var (method, path) in Writes(id).Concat(Reads(id)))
        {
            var random = path.Replace(id, Guid.NewGuid().ToString(), StringComparison.Ordinal);
            var theirs = await SendAnyAsync(method, path, other);
            var nobodys = await SendAnyAsync(method, random, other);
            await theirs.ShouldBeAsync(404, "not-found");
            Assert.Equal(await nobodys.WithoutTraceAsync(), await theirs.WithoutTraceAsync());
        }

        await GetAsync($"/v1/documents/{id}");
    }
}
