using System.Text.Json;
using TenantDocs.PostgresTests.Http;

namespace TenantDocs.PostgresTests.Documents;

public sealed partial class DocumentsHttpTests
{
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
    public async Task A_body_over_the_limit_is_413_whatever_its_form()
    {
        // The host of these tests allows 1,000 bytes of body.
        await NewAsync("t", new string('x', 1000));
        foreach (var size in new[] { 1001, 6 * 1024 * 1024 })
        {
            var body = JsonSerializer.Serialize(new { title = "t", body = new string('x', size) });
            await (await SendAsync(HttpMethod.Post, "/v1/documents", body)).ShouldBeAsync(413, "payload-too-large");
        }
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
