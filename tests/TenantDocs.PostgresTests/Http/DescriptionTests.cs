using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace TenantDocs.PostgresTests.Http;

/// <summary>The OpenAPI documents tell the truth about the host that serves them.</summary>
[Collection<OneHttpHost>]
public class DescriptionTests(HttpHost host)
{
    private const string Unknown = "no such field|field is unknown";

    [Theory]
    [InlineData("tenant", 3)]
    [InlineData("admin", 7)]
    public async Task Every_field_of_a_described_body_is_known_and_another_is_not(string name, int bodies)
    {
        var document = await ReadAsync(name);
        var seen = 0;
        foreach (var (method, path, operation) in Operations(document))
        {
            if (!operation.TryGetProperty("requestBody", out var taken))
            {
                continue;
            }

            seen++;
            var content = taken.GetProperty("content").EnumerateObject().Single();
            var fields = Schema(document, content.Value.GetProperty("schema")).GetProperty("properties");
            // Of a type that no field has: each known one is told so, and nothing is changed.
            var body = new JsonObject { ["surprise"] = 1 };
            foreach (var field in fields.EnumerateObject())
            {
                body[field.Name] = new JsonArray(new JsonArray());
            }

            using var request = new HttpRequestMessage(new HttpMethod(method.ToUpperInvariant()), Fill(path));
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body.ToJsonString()));
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(content.Name);
            request.Headers.Add("If-Match", "\"1\"");
            var answer = await host.SendAsync(request, name is "tenant" ? host.AcmeKey : HttpHost.BootstrapKey);
            await answer.ShouldBeAsync(400, "validation-failed");
            var errors = (await answer.JsonAsync()).GetProperty("errors");
            Assert.Matches(Unknown, errors.GetProperty("surprise")[0].GetString());
            foreach (var field in fields.EnumerateObject())
            {
                Assert.True(errors.TryGetProperty(field.Name, out var faults), $"{method} {path} {field.Name}");
                Assert.DoesNotMatch(Unknown, faults.GetRawText());
            }
        }

        Assert.True(seen >= bodies, $"{seen} bodies");
    }

    [Fact]
    public async Task Answers_have_the_described_form()
    {
        var tenant = await ReadAsync("tenant");
        var slug = string.Create(CultureInfo.InvariantCulture, $"f-{Guid.NewGuid():n}")[..20];
        var admin = await ReadAsync("admin");
        await FitsAsync(admin, "post", "/admin/v1/tenants", 201, body: $$"""{"slug":"{{slug}}","name":"F"}""");
        var key = await host.NewKeyAsync(await host.FindTenantAsync(slug), "owner");
        const string Document = """{"title":"a word","body":"text","tags":["x"],"metadata":{"n":1}}""";
        var id = (await FitsAsync(tenant, "post", "/v1/documents", 201, key: key, body: Document))
            .GetProperty("id")
            .GetString()!;
        foreach (var path in new[] { "", "/versions", "/versions/{n}", "/diff" })
        {
            await FitsAsync(tenant, "get", $"/v1/documents/{{id}}{path}", 200, id, key);
        }

        foreach (var path in new[] { "documents", "trash", "changes", "tags", "usage", "me", "tenant" })
        {
            await FitsAsync(tenant, "get", $"/v1/{path}", 200, key: key);
        }

        await FitsAsync(tenant, "get", "/v1/search", 200, key: key, query: "?q=word");
        await FitsAsync(tenant, "delete", "/v1/documents/{id}", 200, id, key);
        foreach (var path in new[] { "tenants", "servers", "operations", "audit", "fleet/summary", "doctor" })
        {
            await FitsAsync(admin, "get", $"/admin/v1/{path}", 200);
        }

        await FitsAsync(admin, "get", "/admin/v1/tenants/{slug}", 200, slug);
        await FitsAsync(
            admin,
            "post",
            "/admin/v1/tenants/{slug}/api-keys",
            201,
            slug,
            body: """{"name":"k","role":"viewer"}"""
        );
        await FitsAsync(admin, "get", "/admin/v1/tenants/{slug}/api-keys", 200, slug);
        await FitsAsync(admin, "post", "/admin/v1/tenants/{slug}/suspend", 200, slug, body: """{"reason":"r"}""");
        Assert.NotNull(SchemaFit.Fault(tenant, JsonElement.Parse("""{"type":"string"}"""), JsonElement.Parse("1")));
    }

    private async Task<JsonElement> FitsAsync(
        JsonElement document,
        string method,
        string path,
        int status,
        string? name = null,
        string key = HttpHost.BootstrapKey,
        string? body = null,
        string query = ""
    )
    {
        using var request = new HttpRequestMessage(new HttpMethod(method.ToUpperInvariant()), Fill(path, name) + query);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        request.Headers.Add("If-Match", "\"1\"");
        request.Headers.Add("Prefer", "wait=60");
        var answer = await host.SendAsync(request, key);
        var text = await answer.TextAsync();
        Assert.True(status == (int)answer.StatusCode, $"{method} {path}: {(int)answer.StatusCode} {text}");
        var described = document
            .GetProperty("paths")
            .GetProperty(path)
            .GetProperty(method)
            .GetProperty("responses")
            .GetProperty($"{status}");
        var schema = described.GetProperty("content").GetProperty("application/json").GetProperty("schema");
        var given = JsonElement.Parse(text);
        Assert.True(
            SchemaFit.Fault(document, schema, given) is not { } fault,
            $"{method} {path}: {SchemaFit.Fault(document, schema, given)} in {text}"
        );
        foreach (
            var header in described.TryGetProperty("headers", out var headers) ? headers.EnumerateObject() : default
        )
        {
            Assert.True(answer.Headers.Contains(header.Name), $"{method} {path}: {header.Name}");
        }

        return given;
    }

    private static IEnumerable<(string Method, string Path, JsonElement Operation)> Operations(JsonElement document) =>
        document
            .GetProperty("paths")
            .EnumerateObject()
            .SelectMany(p => p.Value.EnumerateObject().Select(o => (o.Name, p.Name, o.Value)));

    private static JsonElement Schema(JsonElement document, JsonElement schema) => SchemaFit.Follow(document, schema);

    private static string Fill(string path, string? name = null) =>
        path.Replace("{id}", name ?? Guid.NewGuid().ToString(), StringComparison.Ordinal)
            .Replace("{slug}", name ?? "acme", StringComparison.Ordinal)
            .Replace("{n}", "1", StringComparison.Ordinal);

    private async Task<JsonElement> ReadAsync(string name) =>
        await (await host.GetAsync($"/openapi/{name}.json")).JsonAsync();
}
