using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.PostgresTests.Http;

/// <summary>A tenant gets another language: its older documents are found in it too.</summary>
[Collection<OneHttpHost>]
public class LanguageTests(HttpHost host)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly CancellationToken None = CancellationToken.None;

    [Theory]
    [InlineData("shared")]
    [InlineData("schema")]
    [InlineData("database")]
    public async Task Older_documents_are_found_in_the_new_language_and_are_not_changed_otherwise(string isolation)
    {
        var (slug, key) = await NewHomeAsync(isolation);
        // More text than one unit of work takes.
        var old = new List<Guid>();
        for (var i = 0; i < 4; i++)
        {
            old.Add(await CreateAsync(key, "Die Häuser", string.Concat(Enumerable.Repeat("am Fluss ", 12_000))));
        }

        var trashed = await CreateAsync(key, "Alte Häuser", "im Wald");
        await ChangeAsync(HttpMethod.Delete, $"/v1/documents/{trashed}", "\"1\"", key);
        // German folds "Häuser" and "Haus" into one word, English does not.
        Assert.Empty(await FoundAsync(key, "Haus"));
        var before = await StateAsync(key, old[0]);

        await TranslateAsync(slug, "german");
        Assert.Equal(before, await StateAsync(key, old[0]));
        await UntilFoundAsync(key, "Haus", old);
        var operation = await SettleAsync(slug);
        Assert.Equal("succeeded", operation.GetProperty("status").GetString());
        Assert.Equal(5, operation.GetProperty("result").GetProperty("documents").GetInt64());
        Assert.Equal(before, await StateAsync(key, old[0]));
        await ChangeAsync(HttpMethod.Post, $"/v1/documents/{trashed}/restore", "\"2\"", key);
        Assert.Equal([.. old, trashed], await FoundAsync(key, "Haus"));
    }

    [Fact]
    public async Task What_another_node_still_writes_in_the_language_before_is_found_too_and_of_two_changes_the_last_holds()
    {
        var (slug, key) = await NewHomeAsync("shared");
        var tenant = await host.FindTenantAsync(slug);
        var first = await CreateAsync(key, "Die Häuser", "am Fluss");
        await TranslateAsync(slug, "french");
        await TranslateAsync(slug, "german");
        await UntilFoundAsync(key, "Haus", [first]);
        await UntilWaitingAsync(slug);

        var late = await host
            .Services.GetRequiredService<IDocumentRepository>()
            .CreateAsync(
                tenant,
                null,
                new DocumentContent { Title = "Späte Häuser", Body = "" },
                new DocumentWrite { Actor = "user:tester" },
                None
            );
        // The control: it was written in the language before, and is not found yet.
        Assert.Equal([first], await FoundAsync(key, "Haus"));
        Assert.Equal("succeeded", (await SettleAsync(slug)).GetProperty("status").GetString());
        Assert.Equal([first, late.Value.Document!.Id], await FoundAsync(key, "Haus"));
    }

    [Fact]
    public async Task A_tenant_that_admits_no_writes_is_indexed_when_it_does_again()
    {
        var (slug, key) = await NewHomeAsync("shared");
        var id = await CreateAsync(key, "Die Häuser", "am Fluss");
        await StaffAsync(HttpMethod.Put, $"tenants/{slug}/access-mode", """{"mode":"readOnly"}""");
        await TranslateAsync(slug, "german");
        await UntilWaitingAsync(slug);
        Assert.Empty(await FoundAsync(key, "Haus"));
        await StaffAsync(HttpMethod.Put, $"tenants/{slug}/access-mode", """{"mode":"readWrite"}""");
        await UntilFoundAsync(key, "Haus", [id]);
        Assert.Equal("succeeded", (await SettleAsync(slug)).GetProperty("status").GetString());
    }

    private async Task UntilFoundAsync(string key, string word, IReadOnlyList<Guid> expected)
    {
        var since = Stopwatch.GetTimestamp();
        IReadOnlyList<Guid> found;
        while (
            !(found = await FoundAsync(key, word)).SequenceEqual(expected) && Stopwatch.GetElapsedTime(since) < Patience
        )
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        Assert.Equal(expected, found);
    }

    private async Task<IReadOnlyList<Guid>> FoundAsync(string key, string word)
    {
        var answer = await (await host.GetAsync($"/v1/search?q={word}", key)).JsonAsync();
        return [.. answer.GetProperty("items").EnumerateArray().Select(h => h.GetProperty("id").GetGuid()).Order()];
    }

    /// <summary>The document as clients see it, and how far the change feed is.</summary>
    private async Task<string> StateAsync(string key, Guid id)
    {
        var document = await host.GetAsync($"/v1/documents/{id}", key);
        var feed = await (await host.GetAsync("/v1/changes?after=0", key)).JsonAsync();
        return $"{document.Headers.ETag} {await document.TextAsync()} {feed.GetProperty("next")}";
    }

    private async Task<Guid> CreateAsync(string key, string title, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/documents");
        request.Content = new StringContent(
            JsonSerializer.Serialize(new { title, body }),
            Encoding.UTF8,
            "application/json"
        );
        var answer = await host.SendAsync(request, key);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        return (await answer.JsonAsync()).GetProperty("id").GetGuid();
    }

    private async Task ChangeAsync(HttpMethod method, string path, string etag, string key)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Add("If-Match", etag);
        var answer = await host.SendAsync(request, key);
        Assert.True(answer.IsSuccessStatusCode, await answer.TextAsync());
    }

    private async Task TranslateAsync(string slug, string language)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, $"/admin/v1/tenants/{slug}");
        request.Content = new StringContent($$"""{"language":"{{language}}"}""", null, "application/merge-patch+json");
        request.Headers.Add("If-Match", $"\"{(await host.FindTenantAsync(slug)).Version}\"");
        var answer = await host.SendAsync(request, HttpHost.BootstrapKey);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(language, (await answer.JsonAsync()).GetProperty("language").GetString());
    }

    private async Task UntilWaitingAsync(string slug)
    {
        var since = Stopwatch.GetTimestamp();
        while ((await ReindexesAsync(slug)).Any(o => o.GetProperty("status").GetString() is not "waiting"))
        {
            Assert.True(Stopwatch.GetElapsedTime(since) < Patience, "They do not come to wait.");
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>The newest first.</summary>
    private async Task<IReadOnlyList<JsonElement>> ReindexesAsync(string slug)
    {
        var list = await host.GetAsync($"/admin/v1/operations?tenant={slug}&type=reindex", HttpHost.BootstrapKey);
        return [.. (await list.JsonAsync()).GetProperty("items").EnumerateArray()];
    }

    /// <summary>
    /// Lets the hour be over that the operations wait for nodes that know the language before; the last of them, ended.
    /// </summary>
    private async Task<JsonElement> SettleAsync(string slug)
    {
        var since = Stopwatch.GetTimestamp();
        IReadOnlyList<JsonElement> operations;
        while (
            (operations = await ReindexesAsync(slug)).Any(o =>
                o.GetProperty("finishedAt").ValueKind is JsonValueKind.Null
            )
            && Stopwatch.GetElapsedTime(since) < Patience
        )
        {
            await using var command = host
                .Services.GetRequiredService<CatalogDatabase>()
                .Source.CreateCommand(
                    """
                    UPDATE operations SET run_after = now()
                     WHERE tenant_slug = $1 AND type = 'reindex' AND status = 'waiting' AND lease_owner IS NULL
                    """
                );
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = slug });
            await command.ExecuteNonQueryAsync(None);
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }

        return operations[0];
    }

    private async Task StaffAsync(HttpMethod method, string path, string body)
    {
        using var request = new HttpRequestMessage(method, $"/admin/v1/{path}");
        request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        request.Headers.Add("Prefer", "wait=60");
        var answer = await host.SendAsync(request, HttpHost.BootstrapKey);
        Assert.True(answer.IsSuccessStatusCode, await answer.TextAsync());
    }

    private async Task<(string Slug, string Key)> NewHomeAsync(string isolation)
    {
        var slug = $"w-{Guid.NewGuid():n}"[..20];
        await StaffAsync(
            HttpMethod.Post,
            "tenants",
            $$"""{"slug":"{{slug}}","name":"W","isolation":"{{isolation}}"}"""
        );
        return (slug, await host.NewKeyAsync(await host.FindTenantAsync(slug), "editor"));
    }
}
