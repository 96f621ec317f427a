using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Documents;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Documents;

public abstract partial class IsolationContract
{
    [Fact]
    public async Task Search_ranks_filters_pages_and_highlights()
    {
        var tenant = await NewTenantAsync();
        var collection = Guid.NewGuid();
        var inTitle = await CreateAsync(tenant, Content("Elephants", "Nothing here"));
        var inBody = await CreateAsync(
            tenant,
            Content("Zoo", "<b>An elephant</b> & a mouse") with
            {
                Tags = ["zoo"],
                CollectionId = collection,
            }
        );
        await CreateAsync(tenant, Content("Garden", "A mouse"));

        var all = (await SearchAsync(new("elephant", 10, null, null, null))).Items;
        Assert.Equal([inTitle.Id, inBody.Id], all.Select(h => h.Id));
        Assert.True(all[0].Score > all[1].Score);
        Assert.Equal(["<mark>Elephants</mark>"], all[0].Highlights);
        var passage = Assert.Single(all[1].Highlights);
        Assert.Contains("<mark>elephant</mark>", passage, StringComparison.Ordinal);
        Assert.Contains("&amp;", passage, StringComparison.Ordinal);
        Assert.DoesNotContain("<b>", passage, StringComparison.Ordinal);

        var first = await SearchAsync(new("elephant", 1, null, null, null));
        var second = await SearchAsync(new("elephant", 1, first.Next, null, null));
        Assert.Equal([inTitle.Id, inBody.Id], first.Items.Concat(second.Items).Select(h => h.Id));
        Assert.Null(second.Next);

        Assert.Equal([inBody.Id], await FoundAsync(new("elephant", 10, null, "zoo", null)));
        Assert.Equal([inBody.Id], await FoundAsync(new("elephant", 10, null, null, collection)));
        Assert.Equal([inBody.Id], await FoundAsync(new("elephant -nothing", 10, null, null, null)));
        Assert.Equal([inBody.Id], await FoundAsync(new("\"elephant mouse\" OR zoo", 10, null, null, null)));
        Assert.Empty(await FoundAsync(new("the", 10, null, null, null)));
        Assert.Empty(await FoundAsync(new("' OR 1=1; DROP TABLE documents; -- :* & | !", 10, null, null, null)));

        Task<Page<DocumentHit, SearchPosition>> SearchAsync(DocumentSearch search) =>
            Documents.SearchAsync(tenant, search, None);
        async Task<IEnumerable<Guid>> FoundAsync(DocumentSearch search) =>
            (await SearchAsync(search)).Items.Select(h => h.Id);
    }

    [Fact]
    public async Task Search_uses_its_index_under_the_policy()
    {
        var tenant = await NewTenantAsync();
        await FillAsync(tenant, 3000);
        var before = await IndexScansAsync(tenant);

        var hits = await Documents.SearchAsync(tenant, new("needle", 10, null, null, null), None);

        Assert.Single(hits.Items);
        // The request's own backend reports what it did when it is idle, at most once a second.
        var deadline = DateTime.UtcNow.AddSeconds(20);
        while (await IndexScansAsync(tenant) == before && DateTime.UtcNow < deadline)
        {
            await Documents.SearchAsync(tenant, new("needle", 10, null, null, null), None);
            await Task.Delay(200, None);
        }

        Assert.True(await IndexScansAsync(tenant) > before);
    }

    [Fact]
    public async Task A_text_of_many_long_words_is_kept_whole_though_it_is_not_indexed_whole()
    {
        var tenant = await NewTenantAsync();
        var body = string.Join(
            ' ',
            Enumerable.Range(0, 40_000).Select(i => $"{Letter(i)}{Letter(i * 7)}-{Letter(i * 3)}x")
        );

        var document = await CreateAsync(tenant, Content("Long words", body));

        Assert.Equal(body, (await Documents.FindAsync(tenant, document.Id, false, None))!.Content.Body);
        Assert.Single((await Documents.SearchAsync(tenant, new("long", 10, null, null, null), None)).Items);

        static string Letter(int i) => char.ConvertFromUtf32(0x20000 + (i % 40_000));
    }

    private async Task FillAsync(Tenant tenant, int count)
    {
        await using var connection = await Platform.OpenAsync(tenant, SessionRole.Admin);
        await using var fill = new NpgsqlCommand(
            $"""
            INSERT INTO {tenant.Placement.Schema.Quoted}.documents
                (tenant_id, id, title, body, content_type, status, tags, metadata, language, bytes, version,
                 created_at, created_by, updated_at, updated_by)
            SELECT $1, gen_random_uuid(), 'Title ' || i, CASE WHEN i = 7 THEN 'needle' ELSE 'hay ' || i END, 'text/plain',
                   'draft', ARRAY[]::text[], JSON '{"{}"}', 'english', 0, 1, now(), 'fill', now(), 'fill'
              FROM generate_series(1, $2) AS i
            """,
            connection
        );
        fill.Parameters.AddWithValue(tenant.Id.Value);
        fill.Parameters.AddWithValue(count);
        await fill.ExecuteNonQueryAsync();
        await using var analyze = new NpgsqlCommand(
            $"VACUUM ANALYZE {tenant.Placement.Schema.Quoted}.documents",
            connection
        );
        await analyze.ExecuteNonQueryAsync();
    }

    private async Task<long> IndexScansAsync(Tenant tenant)
    {
        await using var connection = await Platform.OpenAsync(tenant, SessionRole.Admin);
        await using var scans = new NpgsqlCommand(
            """
            SELECT idx_scan FROM pg_stat_user_indexes WHERE schemaname = $1 AND indexrelname = 'documents_search'
            """,
            connection
        );
        scans.Parameters.AddWithValue(tenant.Placement.Schema.Name);
        return (long)(await scans.ExecuteScalarAsync())!;
    }
}
