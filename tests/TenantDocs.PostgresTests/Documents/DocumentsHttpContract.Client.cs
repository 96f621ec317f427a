using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Http;
using TenantDocs.Provisioning;

namespace TenantDocs.PostgresTests.Documents;

public abstract partial class DocumentsHttpContract
{
    private static (HttpMethod, string)[] Writes(string id) =>
        [
            (HttpMethod.Put, $"/v1/documents/{id}"),
            (HttpMethod.Patch, $"/v1/documents/{id}"),
            (HttpMethod.Delete, $"/v1/documents/{id}"),
            (HttpMethod.Post, $"/v1/documents/{id}/restore"),
            (HttpMethod.Post, $"/v1/documents/{id}/versions/1/restore"),
            (HttpMethod.Delete, $"/v1/trash/{id}"),
        ];

    private static (HttpMethod, string)[] Reads(string id) =>
        [
            (HttpMethod.Get, $"/v1/documents/{id}"),
            (HttpMethod.Get, $"/v1/documents/{id}?trashed=true"),
            (HttpMethod.Get, $"/v1/documents/{id}?asOf=2999-01-01T00:00:00Z"),
            (HttpMethod.Get, $"/v1/documents/{id}/versions"),
            (HttpMethod.Get, $"/v1/documents/{id}/versions/1"),
            (HttpMethod.Get, $"/v1/documents/{id}/diff"),
        ];

    private Task<HttpResponseMessage> SendAnyAsync(HttpMethod method, string path, string key) =>
        method == HttpMethod.Get
            ? SendAsync(method, path, key: key)
            : SendAsync(
                method,
                path,
                method == HttpMethod.Put || method == HttpMethod.Patch ? """{"title":"t","body":"b"}""" : null,
                method == HttpMethod.Patch ? MergePatch : "application/json",
                ("If-Match", "\"1\""),
                key
            );

    protected async Task<string> NewAsync(string title, string body) =>
        (
            await JsonAsync(
                await SendAsync(HttpMethod.Post, "/v1/documents", JsonSerializer.Serialize(new { title, body })),
                201
            )
        )
            .GetProperty("id")
            .GetString()!;

    protected async Task<JsonElement> GetAsync(string path) =>
        await JsonAsync(await SendAsync(HttpMethod.Get, path), 200);

    protected static async Task<JsonElement> JsonAsync(HttpResponseMessage answer, int status)
    {
        var text = await answer.TextAsync();
        Assert.True((int)answer.StatusCode == status, $"{(int)answer.StatusCode}: {text}");
        return JsonElement.Parse(text);
    }

    protected Task<HttpResponseMessage> SendAsync(
        HttpMethod method,
        string path,
        string? body = null,
        string type = "application/json",
        (string Name, string Value)? headers = null,
        string? key = null
    ) => SendAsync(method, path, body is null ? null : Encoding.UTF8.GetBytes(body), type, headers, key);

    protected async Task<HttpResponseMessage> SendAsync(
        HttpMethod method,
        string path,
        byte[]? body,
        string type,
        (string Name, string Value)? header,
        string? key
    )
    {
        var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        }

        if (header is { } given)
        {
            request.Headers.TryAddWithoutValidation(given.Name, given.Value);
        }

        return await host.SendAsync(request, key ?? Key);
    }

    private async Task<Tenant> NewTenantAsync()
    {
        Assert.True(TenantSlug.TryParse($"d-{Guid.NewGuid():n}"[..20], out var slug));
        var started = await host
            .Services.GetRequiredService<TenantProvisioning>()
            .StartAsync(new NewTenant(slug, "Documents") { Isolation = model }, "tests", CancellationToken.None);
        await host
            .Services.GetRequiredService<OperationRequests>()
            .WaitAsync(started.Value, TimeSpan.FromMinutes(1), CancellationToken.None);
        return (
            await host.Services.GetRequiredService<TenantCatalog>().FindBySlugAsync(slug.Value, CancellationToken.None)
        )!;
    }
}
