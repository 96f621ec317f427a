using System.Text.Json;
using TenantDocs.Catalog;
using TenantDocs.Documents;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Documents;

/// <summary>
/// What the repository promises, whatever the isolation model: each model has a subclass that runs all of it.
/// </summary>
public abstract partial class IsolationContract(DocumentsPlatform platform, IsolationModel model)
    : IClassFixture<DocumentsPlatform>
{
    private static readonly CancellationToken None = CancellationToken.None;

    public IsolationModel Model => model;

    private Platform Platform => platform.Platform;

    private IDocumentRepository Documents => Platform.Get<IDocumentRepository>();

    private Task<Tenant> NewTenantAsync() => Platform.NewTenantAsync(model);

    [Fact]
    public async Task A_new_document_is_read_back_as_it_was_answered()
    {
        var tenant = await NewTenantAsync();
        var content = Content("Plan", "Text with ünïcode 🎨") with
        {
            ContentType = "text/plain; charset=utf-8",
            Status = "published",
            CollectionId = Guid.NewGuid(),
            Tags = ["b", "a", "Ö"],
            Metadata = """{"z":1,"a":{"deep":[1,2.50,1e3,null,"x"]}}""",
        };

        var created = await CreateAsync(tenant, content);
        var found = await Documents.FindAsync(tenant, created.Id, trashed: false, None);

        Assert.Equal(1, created.Version);
        Assert.Equal(content, found!.Content);
        Assert.Equal(created, found);
        Assert.Null(await Documents.FindAsync(tenant, Guid.NewGuid(), trashed: true, None));
    }

    [Fact]
    public async Task A_document_of_another_tenant_is_not_there_for_reads_and_for_writes()
    {
        var (mine, other) = (await NewTenantAsync(), await NewTenantAsync());
        var document = await CreateAsync(mine, Content("Secret word", "kilo") with { Tags = ["t"] });
        var theirs = await CreateAsync(other, Content("Other", "lima"));

        Assert.Null(await Documents.FindAsync(other, document.Id, trashed: true, None));
        Assert.Null(await Documents.FindAsOfAsync(other, document.Id, DateTimeOffset.MaxValue, true, None));
        Assert.Null(await Documents.ListVersionsAsync(other, document.Id, 10, null, true, None));
        Assert.Empty(await Documents.FindVersionsAsync(other, document.Id, 1, 1, true, None));
        Assert.Empty((await Documents.SearchAsync(other, new("kilo", 10, null, null, null), None)).Items);
        Assert.Empty((await Documents.ListTagsAsync(other, 10, null, None)).Items);
        Assert.DoesNotContain(
            (await Documents.ReadFeedAsync(other, 0, 100, None)).Value.Items,
            i => i.DocumentId == document.Id
        );
        Assert.Equal([theirs.Id], (await ListAsync(other, new() { Limit = 10 })).Select(d => d.Id));
        foreach (var change in AllChanges())
        {
            var outcome = await Documents.ChangeAsync(other, document.Id, change, Write(any: true), None);
            Assert.Equal("not-found", outcome.Error?.Code);
        }

        // The same calls for its own tenant find it.
        Assert.Equal(document, await Documents.FindAsync(mine, document.Id, trashed: false, None));
        Assert.Single((await Documents.SearchAsync(mine, new("kilo", 10, null, null, null), None)).Items);
        Assert.Single((await Documents.ListTagsAsync(mine, 10, null, None)).Items);
        Assert.Null(
            (await Documents.ChangeAsync(mine, document.Id, new DocumentChange.Delete(), Write(1), None)).Error
        );
    }

    [Fact]
    public async Task A_change_needs_the_version_that_is_there()
    {
        var tenant = await NewTenantAsync();
        var document = await CreateAsync(tenant, Content("One", ""));

        var without = await PatchAsync(tenant, document.Id, """{"title":"Two"}""", Write());
        var stale = await PatchAsync(tenant, document.Id, """{"title":"Two"}""", Write(7));
        var good = await PatchAsync(tenant, document.Id, """{"title":"Two"}""", Write(1));
        var again = await PatchAsync(tenant, document.Id, """{"title":"Three"}""", Write(1));
        var any = await PatchAsync(tenant, document.Id, """{"title":"Four"}""", Write(any: true));

        Assert.Equal("precondition-required", without.Error?.Code);
        Assert.Equal(("precondition-failed", "\"1\""), (stale.Error?.Code, stale.Error?.CurrentETag));
        Assert.Equal((2, "Two"), (good.Value.Document!.Version, good.Value.Document.Content.Title));
        Assert.Equal(("precondition-failed", "\"2\""), (again.Error?.Code, again.Error?.CurrentETag));
        Assert.Equal((3, "Four"), (any.Value.Document!.Version, any.Value.Document.Content.Title));
    }

    [Fact]
    public async Task A_patch_that_changes_nothing_makes_no_version_and_no_event()
    {
        var tenant = await NewTenantAsync();
        var document = await CreateAsync(tenant, Content("One", "b") with { Tags = ["x"], Metadata = """{"a":1}""" });

        var same = await PatchAsync(tenant, document.Id, """{"title":"One","metadata":{"a":1,"b":null}}""", Write(1));

        Assert.Equal(document, same.Value.Document);
        Assert.Equal(1, (await Documents.ReadUsageAsync(tenant, None)).Seq);
    }

    [Fact]
    public async Task Every_change_makes_a_version_that_can_be_read_and_restored()
    {
        var tenant = await NewTenantAsync();
        var document = await CreateAsync(tenant, Content("One", "first") with { Tags = ["x"] });
        await PatchAsync(tenant, document.Id, """{"title":"Two","body":"second","tags":null}""", Write(1));
        await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Delete(), Write(2), None);
        await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Restore(), Write(), None);

        var restored = await Documents.ChangeAsync(
            tenant,
            document.Id,
            new DocumentChange.RestoreVersion(1),
            Write(4),
            None
        );
        var versions = await Documents.ListVersionsAsync(tenant, document.Id, 10, null, false, None);
        var missing = await Documents.ChangeAsync(
            tenant,
            document.Id,
            new DocumentChange.RestoreVersion(99),
            Write(5),
            None
        );

        Assert.Equal((5, document.Content), (restored.Value.Document!.Version, restored.Value.Document.Content));
        Assert.Equal([5, 4, 3, 2, 1], versions!.Items.Select(v => v.Version));
        Assert.Equal(
            ["Updated", "Restored", "Deleted", "Updated", "Created"],
            versions.Items.Select(v => v.Change.ToString())
        );
        Assert.Equal("not-found", missing.Error?.Code);
        var two = await Documents.FindVersionsAsync(tenant, document.Id, 2, 1, false, None);
        Assert.Equal(["first", "second"], two.Select(d => d.Content.Body));
        Assert.Equal(document, two[0]);

        var page = await Documents.ListVersionsAsync(tenant, document.Id, 2, null, false, None);
        var next = await Documents.ListVersionsAsync(tenant, document.Id, 2, page!.Next, false, None);
        Assert.Equal([5, 4, 3, 2], page.Items.Concat(next!.Items).Select(v => v.Version));
    }

    [Fact]
    public async Task A_document_is_shown_as_it_was_at_any_time()
    {
        var tenant = await NewTenantAsync();
        var document = await CreateAsync(tenant, Content("One", "first"));
        var second = (await PatchAsync(tenant, document.Id, """{"body":"second"}""", Write(1))).Value.Document!;
        var trashed = await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Delete(), Write(2), None);
        var deletedAt = trashed.Value.Document!.DeletedAt!.Value;

        Assert.Null(await AsOfAsync(document.CreatedAt.AddMicroseconds(-1)));
        Assert.Equal(document, await AsOfAsync(document.CreatedAt));
        Assert.Equal(document, await AsOfAsync(second.UpdatedAt.AddMicroseconds(-1)));
        Assert.Equal(second, await AsOfAsync(second.UpdatedAt));
        Assert.Equal(second, await AsOfAsync(deletedAt.AddMicroseconds(-1)));
        Assert.Null(await AsOfAsync(deletedAt));
        Assert.Equal(3, (await AsOfAsync(deletedAt, trashed: true))?.Version);

        Task<Document?> AsOfAsync(DateTimeOffset at, bool trashed = false) =>
            Documents.FindAsOfAsync(tenant, document.Id, at, trashed, None);
    }

    [Fact]
    public async Task The_trash_hides_gives_back_and_forgets()
    {
        var tenant = await NewTenantAsync();
        var document = await CreateAsync(tenant, Content("One", "kilo") with { Tags = ["x"] });
        var live = await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Restore(), Write(), None);
        var early = await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Purge(), Write(1), None);
        await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Delete(), Write(1), None);

        Assert.Equal("not-deleted", live.Error?.Code);
        Assert.Equal("not-found", early.Error?.Code);
        Assert.Null(await Documents.FindAsync(tenant, document.Id, trashed: false, None));
        Assert.Equal(2, (await Documents.FindAsync(tenant, document.Id, trashed: true, None))?.Version);
        Assert.Empty(await ListAsync(tenant, new() { Limit = 10 }));
        Assert.Single(
            await ListAsync(
                tenant,
                new()
                {
                    Limit = 10,
                    Trashed = true,
                    Tag = "x",
                }
            )
        );
        Assert.Empty((await Documents.SearchAsync(tenant, new("kilo", 10, null, null, null), None)).Items);
        Assert.Empty((await Documents.ListTagsAsync(tenant, 10, null, None)).Items);
        Assert.Equal("not-found", (await PatchAsync(tenant, document.Id, "{}", Write(2))).Error?.Code);

        await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Restore(), Write(), None);
        Assert.Single((await Documents.SearchAsync(tenant, new("kilo", 10, null, null, null), None)).Items);
        Assert.Single((await Documents.ListTagsAsync(tenant, 10, null, None)).Items);

        await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Delete(), Write(3), None);
        var stale = await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Purge(), Write(3), None);
        var purged = await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Purge(), Write(4), None);
        Assert.Equal("precondition-failed", stale.Error?.Code);
        Assert.Equal(document.Id, purged.Value.Document!.Id);
        Assert.Null(await Documents.FindAsync(tenant, document.Id, trashed: true, None));
        Assert.Null(await Documents.ListVersionsAsync(tenant, document.Id, 10, null, true, None));
        Assert.Equal(new DocumentUsage(0, 0, 0, 0, 5), await Documents.ReadUsageAsync(tenant, None));
    }

    [Fact]
    public async Task A_list_walked_while_documents_come_and_go_shows_each_old_one_once()
    {
        var tenant = await NewTenantAsync();
        var old = new List<Guid>();
        for (var i = 0; i < 25; i++)
        {
            old.Add((await CreateAsync(tenant, Content($"Title {i % 5}", ""))).Id);
        }

        foreach (var sort in Enum.GetValues<DocumentSort>())
        {
            var query = new DocumentQuery { Limit = 4, Sort = sort };
            var seen = new List<Document>();
            do
            {
                var page = await Documents.ListAsync(tenant, query, None);
                seen.AddRange(page.Items);
                query = query with { After = page.Next };
                await CreateAsync(tenant, Content("Newcomer", ""));
            } while (query.After is not null && seen.Count < 1000);

            Assert.Equal(seen.Count, seen.Select(d => d.Id).Distinct().Count());
            Assert.Superset(old.ToHashSet(), seen.Select(d => d.Id).ToHashSet());
            Assert.All(seen, d => Assert.Null(d.Content.Body));
        }
    }

    [Fact]
    public async Task A_create_with_a_chosen_id_happens_once()
    {
        var tenant = await NewTenantAsync();
        var id = Guid.NewGuid();

        var outcomes = await Task.WhenAll(
            Enumerable.Range(0, 8).Select(_ => Documents.CreateAsync(tenant, id, Content("One", ""), Write(), None))
        );

        Assert.Single(outcomes, o => o.Error is null);
        Assert.All(
            outcomes.Where(o => o.Error is not null),
            o => Assert.Equal(("precondition-failed", "\"1\""), (o.Error!.Code, o.Error.CurrentETag))
        );
        Assert.Equal(1, (await Documents.ReadUsageAsync(tenant, None)).Seq);
    }

    private static IEnumerable<DocumentChange> AllChanges() =>
        [
            new DocumentChange.Replace(Fields("""{"title":"t","body":"b"}""")),
            new DocumentChange.Patch(Fields("""{"title":"t"}""")),
            new DocumentChange.Delete(),
            new DocumentChange.Restore(),
            new DocumentChange.Purge(),
            new DocumentChange.RestoreVersion(1),
        ];

    private static DocumentFields Fields(string json) =>
        DocumentFields.Parse(JsonDocument.Parse(json).RootElement).Value;

    private static DocumentContent Content(string title, string body) => new() { Title = title, Body = body };

    private static DocumentWrite Write(long? version = null, bool any = false) =>
        new()
        {
            Actor = "user:tester",
            Precondition =
                version is { } seen ? new(false, [seen])
                : any ? new(true, [])
                : null,
        };

    private async Task<Document> CreateAsync(Tenant tenant, DocumentContent content) =>
        (await Documents.CreateAsync(tenant, null, content, Write(), None)).Value.Document!;

    private Task<Result<DocumentOutcome>> PatchAsync(Tenant tenant, Guid id, string patch, DocumentWrite write) =>
        Documents.ChangeAsync(tenant, id, new DocumentChange.Patch(Fields(patch)), write, None);

    private async Task<IReadOnlyList<Document>> ListAsync(Tenant tenant, DocumentQuery query) =>
        (await Documents.ListAsync(tenant, query, None)).Items;
}
