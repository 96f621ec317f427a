using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Documents;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Http;

namespace TenantDocs.PostgresTests.Documents;

/// <summary>Also what is refused, which no home has a part in.</summary>
public sealed class DocumentsHttpTests(HttpHost host) : DocumentsHttpContract(host, IsolationModel.Shared)
{
    private static readonly JsonSerializerOptions Relaxed = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private const string Attack = "x'); DROP TABLE documents; --\" OR 1=1 /* \\";

    [Theory]
    [InlineData("""{"body":"b"}""")]
    [InlineData("""{"title":"t"}""")]
    [InlineData("""{"title":"","body":"b"}""")]
    [InlineData("""{"title":null,"body":"b"}""")]
    [InlineData("""{"title":"t","body":"b","id":"x"}""")]
    [InlineData("""{"title":"t","body":"b","colour":"red"}""")]
    [InlineData("""{"title":"t","body":"b","tags":"x"}""")]
    [InlineData("""{"title":"t","body":"b","tags":[1]}""")]
    [InlineData("""{"title":"t","body":"b","collectionId":"x"}""")]
    [InlineData("""{"title":"t","body":"b","metadata":[]}""")]
    [InlineData("""{"title":"t","body":"b","metadata":{"a":"\u0000"}}""")]
    [InlineData("""{"title":"t","body":"b","contentType":"nonsense"}""")]
    [InlineData("""{"title":"t","body":"b","status":"Not a word"}""")]
    [InlineData("""{"title":"t\u0000","body":"b"}""")]
    [InlineData("""{"title":"t","body":"\udc00"}""")]
    [InlineData("""{"title":"t","body":"b"} x""")]
    public async Task A_faulty_document_is_400_and_is_not_made(string body)
    {
        await (await SendAsync(HttpMethod.Post, "/v1/documents", body)).ShouldBeAsync(400, "validation-failed");
        Assert.Equal(0, (await GetAsync("/v1/changes")).GetProperty("next").GetInt32());
    }

    [Fact]
    public async Task A_title_of_501_characters_is_400_and_one_of_500_is_not()
    {
        await NewAsync(new string('x', 500), "");
        var body = JsonSerializer.Serialize(new { title = new string('x', 501), body = "" });
        await (await SendAsync(HttpMethod.Post, "/v1/documents", body)).ShouldBeAsync(400, "validation-failed");
    }

    [Fact]
    public async Task A_body_of_5_MiB_is_kept_and_one_over_it_is_413_whatever_its_form()
    {
        const int Most = 5 * 1024 * 1024;
        var id = await NewAsync("t", new string('x', Most));
        Assert.Equal(Most, (await GetAsync($"/v1/documents/{id}")).GetProperty("body").GetString()!.Length);
        // In JSON twice as long, and as a text within the limit.
        await NewAsync("escaped", new string('\n', Most));
        // Three times as long where a client escapes all that is not ASCII.
        var ascii = JsonSerializer.Serialize(new { title = "ASCII", body = new string('é', Most / 2) });
        Assert.True(ascii.Length > 2.9 * Most);
        var made = await SendAsync(HttpMethod.Post, "/v1/documents", ascii);
        Assert.Equal(System.Net.HttpStatusCode.Created, made.StatusCode);
        foreach (
            var text in new[] { new string('x', Most + 1), new string('x', 6 * 1024 * 1024), new string('é', Most) }
        )
        {
            var body = JsonSerializer.Serialize(new { title = "t", body = text }, Relaxed);
            await (await SendAsync(HttpMethod.Post, "/v1/documents", body)).ShouldBeAsync(413, "payload-too-large");
            var patch = JsonSerializer.Serialize(new { body = text }, Relaxed);
            await (
                await SendAsync(HttpMethod.Patch, $"/v1/documents/{id}", patch, MergePatch, ("If-Match", "\"1\""))
            ).ShouldBeAsync(413, "payload-too-large");
        }

        Assert.Equal(1, (await GetAsync($"/v1/documents/{id}")).GetProperty("version").GetInt32());
    }

    /// <summary>The bodies of a page that is full are not even sent by the server.</summary>
    [Fact]
    public async Task A_page_with_large_bodies_ends_early_and_goes_on()
    {
        for (var i = 0; i < 5; i++)
        {
            await NewAsync($"{i}", new string('x', 5 * 1024 * 1024));
        }

        var first = await GetAsync("/v1/documents?include=body&sort=title");
        Assert.Equal(4, first.GetProperty("items").GetArrayLength());
        var rest = await GetAsync(
            $"/v1/documents?include=body&sort=title&cursor={first.GetProperty("next").GetString()}"
        );
        Assert.Equal("4", Assert.Single(rest.GetProperty("items").EnumerateArray()).GetProperty("title").GetString());
        Assert.Equal(JsonValueKind.Null, rest.GetProperty("next").ValueKind);
        Assert.Equal(5, (await GetAsync("/v1/documents")).GetProperty("items").GetArrayLength());
        Assert.Equal((5, 4), await SentAsync());
        // How much of an item is shown is neither filter nor sort.
        var short1 = await GetAsync("/v1/documents?limit=2&sort=title");
        var short2 = await GetAsync(
            $"/v1/documents?include=body&limit=2&sort=title&cursor={short1.GetProperty("next").GetString()}"
        );
        Assert.Equal("2", short2.GetProperty("items")[0].GetProperty("title").GetString());
    }

    private async Task<(int Rows, int Bodies)> SentAsync()
    {
        var query = new DocumentQuery
        {
            Sort = DocumentSort.Title,
            IncludeBody = true,
            Limit = 200,
        };
        return await Host
            .Services.GetRequiredService<TenantSessions>()
            .ReadAsync(
                Tenant,
                async (session, token) =>
                {
                    await using var batch = session.CreateBatch();
                    batch.Add(
                        DocumentListSql.For(query),
                        SqlValue.Of(Tenant.Id.Value),
                        SqlValue.Of(201),
                        SqlValue.Of((string?)null),
                        SqlValue.Of((DateTimeOffset?)null),
                        SqlValue.Of((string?)null),
                        SqlValue.Of((Guid?)null),
                        SqlValue.Of((string?)null),
                        SqlValue.Of((Guid?)null)
                    );
                    await using var reader = await batch.ReadAsync(token);
                    var (rows, bodies) = (0, 0);
                    while (await reader.ReadAsync(token))
                    {
                        rows++;
                        bodies += DocumentReading.LacksBody(reader) ? 0 : 1;
                    }

                    return (rows, bodies);
                },
                TestContext.Current.CancellationToken
            );
    }

    [Theory]
    [InlineData("DELETE", "")]
    [InlineData("POST", "/restore")]
    [InlineData("POST", "/versions/1/restore")]
    public async Task A_change_without_fields_refuses_fields_and_takes_an_empty_object(string method, string action)
    {
        var id = await NewAsync("t", "");
        if (action is "/restore")
        {
            await SendAsync(HttpMethod.Delete, $"/v1/documents/{id}", headers: ("If-Match", "\"1\""));
        }

        var (path, match) = ($"/v1/documents/{id}{action}", ("If-Match", action is "/restore" ? "\"2\"" : "\"1\""));
        await (await SendAsync(new HttpMethod(method), path, """{"x":1}""", headers: match)).ShouldBeAsync(
            400,
            "validation-failed"
        );
        await (await SendAsync(new HttpMethod(method), path, "[", headers: match)).ShouldBeAsync(
            400,
            "validation-failed"
        );
        await JsonAsync(await SendAsync(new HttpMethod(method), path, "{}", headers: match), 200);
    }

    [Fact]
    public async Task The_body_of_a_change_without_fields_belongs_to_its_key()
    {
        var id = await NewAsync("t", "");
        async Task<HttpResponseMessage> DeleteAsync(string body)
        {
            using var request = new HttpRequestMessage(HttpMethod.Delete, $"/v1/documents/{id}");
            request.Headers.Add("If-Match", "\"1\"");
            request.Headers.Add("Idempotency-Key", "k");
            request.Content = new StringContent(body, null, "application/json");
            return await Host.SendAsync(request, Key);
        }

        await JsonAsync(await DeleteAsync("{}"), 200);
        await JsonAsync(await DeleteAsync("{}"), 200);
        await (await DeleteAsync("{ }")).ShouldBeAsync(422, "idempotency-key-reused");
    }

    [Fact]
    public async Task A_diff_over_too_many_lines_is_422_and_a_small_one_in_a_long_text_is_shown()
    {
        var text = string.Concat(Enumerable.Repeat("x\n", 150_000));
        var id = await NewAsync("t", text);
        async Task PatchAsync(string body, string etag) =>
            await JsonAsync(
                await SendAsync(
                    HttpMethod.Patch,
                    $"/v1/documents/{id}",
                    JsonSerializer.Serialize(new { body }),
                    MergePatch,
                    ("If-Match", etag)
                ),
                200
            );
        await PatchAsync($"{text}y", "\"1\"");
        await PatchAsync("z", "\"2\"");

        Assert.Equal(1, (await GetAsync($"/v1/documents/{id}/diff?from=1&to=2")).GetProperty("added").GetInt32());
        await (await SendAsync(HttpMethod.Get, $"/v1/documents/{id}/diff?from=2&to=3")).ShouldBeAsync(
            422,
            "unprocessable"
        );
    }

    [Fact]
    public async Task Invalid_UTF_8_is_400()
    {
        byte[] body = [.. "{\"title\":\"t\",\"body\":\""u8, 0xC3, 0x28, .. "\"}"u8];
        var answer = await SendAsync(HttpMethod.Post, "/v1/documents", body, "application/json", null, null);
        await answer.ShouldBeAsync(400, "validation-failed");
    }

    [Theory]
    [InlineData("limit=0")]
    [InlineData("limit=201")]
    [InlineData("limit=x")]
    [InlineData("sort=size")]
    [InlineData("trashed=maybe")]
    [InlineData("updatedSince=yesterday")]
    [InlineData("collectionId=1")]
    [InlineData("include=everything")]
    [InlineData("tag=%00")]
    [InlineData("tag=")]
    [InlineData("status=a&status=b")]
    public async Task A_faulty_parameter_is_400(string query) =>
        await (await SendAsync(HttpMethod.Get, $"/v1/documents?{query}")).ShouldBeAsync(400, "validation-failed");

    [Theory]
    [InlineData("/v1/documents?page=2")]
    [InlineData("/v1/trash?trashed=false")]
    [InlineData("/v1/search?q=a&sort=title")]
    [InlineData("/v1/changes?cursor=1")]
    [InlineData("/v1/tags?q=a")]
    [InlineData("/v1/usage?x=1")]
    public async Task An_unknown_parameter_is_400(string path) =>
        await (await SendAsync(HttpMethod.Get, path)).ShouldBeAsync(400, "unknown-parameter");

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/json-patch+json")]
    public async Task Another_patch_than_merge_patch_is_415(string type)
    {
        var id = await NewAsync("t", "");
        var answer = await SendAsync(HttpMethod.Patch, $"/v1/documents/{id}", "{}", type, ("If-Match", "\"1\""));
        await answer.ShouldBeAsync(415, "unsupported-patch");
        Assert.Contains(MergePatch, answer.Headers.GetValues("Accept-Patch"));
    }

    [Theory]
    [InlineData("""{"id":"11111111-2222-3333-4444-555555555555"}""")]
    [InlineData("""{"version":9}""")]
    [InlineData("""{"createdAt":"2026-01-01T00:00:00Z"}""")]
    [InlineData("""{"title":null}""")]
    [InlineData("""{"body":null}""")]
    [InlineData("""{"colour":1}""")]
    [InlineData("[]")]
    public async Task A_patch_of_what_cannot_be_patched_is_400(string patch)
    {
        var id = await NewAsync("t", "");
        var answer = await SendAsync(HttpMethod.Patch, $"/v1/documents/{id}", patch, MergePatch, ("If-Match", "\"1\""));
        await answer.ShouldBeAsync(400, "validation-failed");
    }

    [Fact]
    public async Task SQL_in_every_text_is_text()
    {
        var kept = await NewAsync("kept", "");
        var content = new
        {
            title = Attack,
            body = Attack,
            tags = new[] { Attack },
            metadata = new Dictionary<string, string> { [Attack] = Attack },
        };
        var created = await SendAsync(
            HttpMethod.Post,
            "/v1/documents",
            JsonSerializer.Serialize(content),
            headers: ("Idempotency-Key", Attack)
        );
        var document = await JsonAsync(created, 201);
        Assert.Equal(Attack, document.GetProperty("title").GetString());
        Assert.Equal(Attack, document.GetProperty("metadata").GetProperty(Attack).GetString());

        var text = Uri.EscapeDataString(Attack);
        Assert.Single((await GetAsync($"/v1/documents?tag={text}")).GetProperty("items").EnumerateArray());
        Assert.Empty((await GetAsync($"/v1/documents?status={text}")).GetProperty("items").EnumerateArray());
        await GetAsync($"/v1/search?q={text}&tag={text}");
        foreach (var path in new[] { $"/v1/documents/{text}", $"/v1/documents/{kept}/versions/{text}" })
        {
            await (await SendAsync(HttpMethod.Get, path)).ShouldBeAsync(404, "not-found");
        }

        foreach (var query in new[] { "cursor", "sort", "collectionId", "updatedSince", "limit" })
        {
            Assert.Equal(400, (int)(await SendAsync(HttpMethod.Get, $"/v1/documents?{query}={text}")).StatusCode);
        }

        Assert.Equal(
            400,
            (int)(await SendAsync(HttpMethod.Delete, $"/v1/documents/{kept}", headers: ("If-Match", Attack))).StatusCode
        );
        Assert.Equal(2, (await GetAsync("/v1/documents")).GetProperty("items").GetArrayLength());
    }
}

public sealed class DocumentsHttpInSchemaTests(HttpHost host) : DocumentsHttpContract(host, IsolationModel.Schema);

public sealed class DocumentsHttpInDatabaseTests(HttpHost host) : DocumentsHttpContract(host, IsolationModel.Database);
