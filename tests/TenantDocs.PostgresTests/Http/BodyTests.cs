using System.Net.Http.Headers;
using System.Text;

namespace TenantDocs.PostgresTests.Http;

[Collection<OneHttpHost>]
public class BodyTests(HttpHost host)
{
    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"text\"")]
    [InlineData("{\"title\":\"a\",}")]
    [InlineData("{\"title\":\"a\"} {}")]
    [InlineData("{\"title\":\"a\",\"title\":\"b\"}")]
    [InlineData("{\"title\":1}")]
    [InlineData("{\"title\":\"\\u0000\"}")]
    [InlineData("{\"title\":\"\\ud800\"}")]
    [InlineData("{\"title\":\"a\",\"nonsense\":1}")]
    public async Task What_is_not_the_right_JSON_is_400(string body) =>
        await (await PostAsync(Encoding.UTF8.GetBytes(body))).ShouldBeAsync(400, "validation-failed");

    [Fact]
    public async Task Faults_are_told_together_and_by_field()
    {
        var answer = await PostAsync("""{"title":[],"body":5,"nonsense":1}"""u8.ToArray());
        await answer.ShouldBeAsync(400, "validation-failed");
        var faults = (await answer.JsonAsync()).GetProperty("errors").EnumerateObject().Select(f => f.Name).Order();
        Assert.Equal(["body", "nonsense", "title"], faults);
    }

    [Fact]
    public async Task Invalid_UTF_8_is_400() =>
        await (await PostAsync([.. "{\"title\":\""u8, 0xFF, 0xFE, .. "\"}"u8])).ShouldBeAsync(400, "validation-failed");

    [Fact]
    public async Task A_NUL_byte_is_400() =>
        await (await PostAsync("{\"title\":\"a\0b\"}"u8.ToArray())).ShouldBeAsync(400, "validation-failed");

    [Fact]
    public async Task Too_deep_JSON_is_400()
    {
        var deep = "{\"title\":\"a\",\"metadata\":" + new string('[', 100) + new string(']', 100) + "}";
        await (await PostAsync(Encoding.UTF8.GetBytes(deep))).ShouldBeAsync(400, "validation-failed");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_body_above_the_limit_is_413(bool chunked)
    {
        var body = Encoding.UTF8.GetBytes($$"""{"title":"a","body":"{{new string('x', 12_000_000)}}"}""");
        await (await PostAsync(body, chunked: chunked)).ShouldBeAsync(413, "payload-too-large");
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/json; charset=utf-16")]
    [InlineData(null)]
    public async Task Another_media_type_is_415(string? type) =>
        await (await PostAsync("""{"title":"a"}"""u8.ToArray(), type)).ShouldBeAsync(415, "unsupported-media-type");

    [Fact]
    public async Task A_viewer_is_refused_before_the_body_is_looked_at()
    {
        var viewer = await host.NewKeyAsync(host.Acme, "viewer");
        await (await PostAsync("{"u8.ToArray(), credential: viewer)).ShouldBeAsync(403, "forbidden");
        await (await PostAsync("{"u8.ToArray())).ShouldBeAsync(400, "validation-failed");
    }

    [Fact]
    public async Task A_scope_that_does_not_name_the_permission_refuses_it()
    {
        var reader = await host.NewKeyAsync(host.Acme, "owner", ["documents:read"]);
        await (await PostAsync("{"u8.ToArray(), credential: reader)).ShouldBeAsync(403, "forbidden");
        var writer = await host.NewKeyAsync(host.Acme, "owner", ["documents:write"]);
        await (await PostAsync("{"u8.ToArray(), credential: writer)).ShouldBeAsync(400, "validation-failed");
    }

    private Task<HttpResponseMessage> PostAsync(
        byte[] body,
        string? type = "application/json",
        bool chunked = false,
        string? credential = null
    )
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = type is null ? null : MediaTypeHeaderValue.Parse(type);
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/documents") { Content = content };
        request.Headers.TransferEncodingChunked = chunked;
        return host.SendAsync(request, credential ?? host.AcmeKey);
    }
}
