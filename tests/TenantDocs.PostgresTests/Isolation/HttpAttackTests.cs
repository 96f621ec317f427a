using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Http;
using TenantDocs.Provisioning;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>Attacks over HTTP, on the real host, by one tenant's key against another tenant's documents.</summary>
[Collection<OneHttpHost>]
public sealed partial class HttpAttackTests(HttpHost host)
{
    private const string MergePatch = "application/merge-patch+json";
    private static readonly Dictionary<IsolationModel, (string Victim, string Attacker)> Keys = [];

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_23_A_foreign_document_answers_like_one_that_never_was(IsolationModel model)
    {
        var (victim, attacker) = await KeysAsync(model);
        var foreign = await CreateAsync(victim, "secret");
        var nothing = Guid.CreateVersion7();
        Assert.Equal(HttpStatusCode.OK, (await host.GetAsync($"/v1/documents/{foreign}", victim)).StatusCode);
        (string Verb, string Path, string? Body)[] requests =
        [
            ("GET", "/v1/documents/{0}", null),
            ("HEAD", "/v1/documents/{0}", null),
            ("GET", "/v1/documents/{0}?asOf=2099-01-01T00:00:00Z", null),
            ("GET", "/v1/documents/{0}?trashed=true", null),
            ("PUT", "/v1/documents/{0}", """{"title":"taken","body":"b"}"""),
            ("PATCH", "/v1/documents/{0}", """{"title":"taken"}"""),
            ("DELETE", "/v1/documents/{0}", null),
            ("POST", "/v1/documents/{0}/restore", null),
            ("DELETE", "/v1/trash/{0}", null),
            ("GET", "/v1/documents/{0}/versions", null),
            ("GET", "/v1/documents/{0}/versions/1", null),
            ("GET", "/v1/documents/{0}/diff?from=1&to=1", null),
            ("POST", "/v1/documents/{0}/versions/1/restore", null),
        ];
        foreach (var (verb, path, body) in requests)
        {
            var theirs = await AskAsync(verb, path, foreign, body, attacker);
            var nobodys = await AskAsync(verb, path, nothing, body, attacker);
            Assert.Equal((verb, path, 404), (verb, path, (int)theirs.StatusCode));
            Assert.Equal(Shape(nobodys), Shape(theirs));
            Assert.Equal(await ComparableAsync(nobodys, nothing), await ComparableAsync(theirs, foreign));
        }

        var kept = await (await host.GetAsync($"/v1/documents/{foreign}", victim)).JsonAsync();
        Assert.Equal(("secret", 1), (kept.GetProperty("title").GetString(), kept.GetProperty("version").GetInt32()));
    }

    /// <summary>An id that another tenant uses is free: creating with it succeeds, and is no way to ask whether it exists.</summary>
    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_23_A_foreign_id_can_be_created_like_any_other(IsolationModel model)
    {
        var (victim, attacker) = await KeysAsync(model);
        var foreign = await CreateAsync(victim, "secret");
        foreach (var id in new[] { foreign, Guid.CreateVersion7() })
        {
            using var request = new HttpRequestMessage(HttpMethod.Put, $"/v1/documents/{id}")
            {
                Content = new StringContent("""{"title":"mine","body":"b"}""", Encoding.UTF8, "application/json"),
            };
            request.Headers.TryAddWithoutValidation("If-None-Match", "*");
            var answer = await host.SendAsync(request, attacker);
            Assert.True(answer.StatusCode is HttpStatusCode.Created, await answer.TextAsync());
        }

        var kept = await (await host.GetAsync($"/v1/documents/{foreign}", victim)).JsonAsync();
        Assert.Equal("secret", kept.GetProperty("title").GetString());
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_23_Lists_search_tags_and_changes_show_own_documents_only(IsolationModel model)
    {
        var (victim, attacker) = await KeysAsync(model);
        var word = $"w{Guid.NewGuid():n}";
        var id = await CreateAsync(victim, word);
        foreach (
            var path in new[]
            {
                "/v1/documents?limit=200",
                $"/v1/search?q={word}",
                $"/v1/documents?tag={word}",
                "/v1/changes?limit=200",
                "/v1/tags",
            }
        )
        {
            var own = await (await host.GetAsync(path, victim)).TextAsync();
            Assert.True(
                own.Contains(word, StringComparison.Ordinal) || own.Contains($"{id}", StringComparison.Ordinal),
                $"{path}: {own}"
            );
            var others = await (await host.GetAsync(path, attacker)).TextAsync();
            Assert.DoesNotContain(word, others, StringComparison.Ordinal);
            Assert.DoesNotContain($"{id}", others, StringComparison.Ordinal);
        }
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_24_A_foreign_or_changed_cursor_is_refused(IsolationModel model)
    {
        var (victim, attacker) = await KeysAsync(model);
        for (var i = 0; i < 2; i++)
        {
            await CreateAsync(victim, "page");
            await CreateAsync(attacker, "page");
        }

        var page = await (await host.GetAsync("/v1/documents?limit=1", victim)).JsonAsync();
        var cursor = page.GetProperty("next").GetString()!;
        Assert.Equal(HttpStatusCode.OK, (await ReplayAsync(cursor, victim)).StatusCode);

        await (await ReplayAsync(cursor, attacker)).ShouldBeAsync(400, "invalid-cursor");
        for (var i = 0; i < cursor.Length; i += 7)
        {
            var changed = cursor[..i] + (cursor[i] == 'A' ? 'B' : 'A') + cursor[(i + 1)..];
            await (await ReplayAsync(changed, victim)).ShouldBeAsync(400, "invalid-cursor");
        }

        foreach (var other in new[] { cursor + "A", cursor[..^4], "x", "' OR 1=1 --" })
        {
            await (await ReplayAsync(other, victim)).ShouldBeAsync(400, "invalid-cursor");
        }

        Task<HttpResponseMessage> ReplayAsync(string text, string key) =>
            host.GetAsync($"/v1/documents?limit=1&cursor={Uri.EscapeDataString(text)}", key);
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_25_No_answer_tells_how_things_are_kept(IsolationModel model)
    {
        var (key, _) = await KeysAsync(model);
        var id = await CreateAsync(key, "title");
        string[] bodies =
        [
            "{",
            "[]",
            "null",
            """{"title":"a\u0000b","body":"b"}""",
            """{"title":"a","body":"\u0000"}""",
            """{"title":"a","body":"\ud800"}""",
            """{"title":"a","body":"b","tags":["\u0000"]}""",
            """{"title":"a","body":"b","metadata":{"a\u0000":"\u0000"}}""",
            """{"title":"a","body":"b","metadata":{"n":1e400}}""",
            """{"title":"a","body":"b","collectionId":"not-an-id"}""",
            """{"title":"a","body":"b","status":"'; DROP TABLE documents; --"}""",
            """{"title":"'; DROP TABLE documents; --","body":"$1","tags":["' OR 1=1 --"]}""",
        ];
        foreach (var body in bodies)
        {
            await CheckAsync(await AskAsync("POST", "/v1/documents", id, body, key));
            await CheckAsync(await AskAsync("PATCH", "/v1/documents/{0}", id, body, key));
        }

        foreach (
            var path in new[]
            {
                "/v1/documents/not-an-id",
                "/v1/documents?tag=%00",
                "/v1/documents?sort=title;%20DROP%20TABLE%20documents",
                "/v1/documents?limit=99999999999999999999",
                "/v1/documents?updatedSince=infinity",
                "/v1/search?q=%00",
                "/v1/search?q=%27%3A*%26%7C!%28%28%28",
                "/v1/search?q=" + new string('a', 5000),
                "/v1/changes?after=-1",
                "/v1/changes?after=9223372036854775807",
                "/v1/changes?after=9223372036854775808",
                $"/v1/documents/{id}?asOf=0001-01-01T00:00:00Z",
                $"/v1/documents/{id}?asOf=9999-12-31T23:59:59.9999999Z",
                $"/v1/documents/{id}/versions/9223372036854775807",
                $"/v1/documents/{id}/diff?from=0&to=-1",
            }
        )
        {
            await CheckAsync(await host.GetAsync(path, key));
        }

        static async Task CheckAsync(HttpResponseMessage answer)
        {
            var text = await answer.TextAsync();
            Assert.True((int)answer.StatusCode < 500, $"{answer.RequestMessage!.RequestUri}: {text}");
            if ((int)answer.StatusCode >= 400)
            {
                Assert.DoesNotMatch(Inside(), text);
            }
        }
    }

    private async Task<(string Victim, string Attacker)> KeysAsync(IsolationModel model)
    {
        if (!Keys.TryGetValue(model, out var keys))
        {
            Keys[model] = keys = (await NewKeyAsync(model), await NewKeyAsync(model));
        }

        return keys;
    }

    private async Task<string> NewKeyAsync(IsolationModel model)
    {
        Assert.True(TenantSlug.TryParse($"t-{Guid.NewGuid():n}"[..20], out var slug));
        var started = await host
            .Services.GetRequiredService<TenantProvisioning>()
            .StartAsync(new NewTenant(slug, "Attacked") { Isolation = model }, "tests", AttackGround.Stop);
        var ended = await host
            .Services.GetRequiredService<OperationRequests>()
            .WaitAsync(started.Value, TimeSpan.FromMinutes(1), AttackGround.Stop);
        Assert.True(ended.Status is OperationStatus.Succeeded, $"{ended.Problem}");
        var tenant = await host
            .Services.GetRequiredService<TenantCatalog>()
            .FindBySlugAsync(slug.Value, AttackGround.Stop);
        return await host.NewKeyAsync(tenant!, "owner");
    }

    private async Task<Guid> CreateAsync(string key, string title)
    {
        var body = $$"""{"title":"{{title}}","body":"b","tags":["{{title}}"]}""";
        var answer = await AskAsync("POST", "/v1/documents", Guid.Empty, body, key);
        Assert.True(answer.StatusCode is HttpStatusCode.Created, await answer.TextAsync());
        return (await answer.JsonAsync()).GetProperty("id").GetGuid();
    }

    private Task<HttpResponseMessage> AskAsync(string verb, string path, Guid id, string? body, string key)
    {
        var request = new HttpRequestMessage(
            new HttpMethod(verb),
            path.Replace("{0}", $"{id}", StringComparison.Ordinal)
        );
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, verb is "PATCH" ? MergePatch : "application/json");
        }

        if (verb is "PUT" or "PATCH" or "DELETE" || path.EndsWith("1/restore", StringComparison.Ordinal))
        {
            request.Headers.TryAddWithoutValidation("If-Match", "\"1\"");
        }

        return host.SendAsync(request, key);
    }

    private static string Shape(HttpResponseMessage answer) =>
        $"{(int)answer.StatusCode} {answer.Content.Headers.ContentType} {answer.Content.Headers.ContentLength} "
        + string.Join(',', answer.Headers.Select(h => h.Key).Order(StringComparer.Ordinal));

    private static async Task<string> ComparableAsync(HttpResponseMessage answer, Guid id) =>
        answer.RequestMessage!.Method == HttpMethod.Head
            ? ""
            : (await answer.WithoutTraceAsync()).Replace($"{id}", "", StringComparison.Ordinal);

    [GeneratedRegex(
        @"tenantdocs_|document_(tags|versions|changes)|tenant_(state|id|isolation)|\bpg_|Npgsql|SQLSTATE|constraint|relation |   at |\bt_[0-9a-f]{32}|search_path",
        RegexOptions.IgnoreCase
    )]
    private static partial Regex Inside();
}
