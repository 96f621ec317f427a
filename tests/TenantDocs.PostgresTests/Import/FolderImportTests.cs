using TenantDocs.Catalog;
using TenantDocs.Documents;
using TenantDocs.Import;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Import;

public sealed class FolderImportTests(PlatformFixture fixture) : IClassFixture<PlatformFixture>
{
    private static readonly CancellationToken None = CancellationToken.None;

    private IDocumentRepository Documents => fixture.Platform.Get<IDocumentRepository>();

    [Theory]
    [InlineData(IsolationModel.Shared)]
    [InlineData(IsolationModel.Schema)]
    [InlineData(IsolationModel.Database)]
    public async Task Importing_again_changes_nothing_and_an_edited_file_makes_one_version(IsolationModel model)
    {
        var tenant = await fixture.Platform.NewTenantAsync(model);
        using var folder = new ImportFolder().Many(25);
        var first = await ImportAsync(tenant, folder, batch: 10);
        var usage = await Documents.ReadUsageAsync(tenant, None);
        var second = await ImportAsync(tenant, folder, batch: 10);
        folder.Write("part-000/page-0003.md", "---\ntags: [edited]\n---\n# Another title\n");
        var third = await ImportAsync(tenant, folder, batch: 10);

        Assert.Equal((25, 0, 0), (first.Created, first.Updated, first.Unchanged));
        Assert.Equal((0, 0, 25), (second.Created, second.Updated, second.Unchanged));
        Assert.Equal((0, 1, 24), (third.Created, third.Updated, third.Unchanged));
        Assert.Equal((25, 25, 25), (usage.Documents, usage.Versions, usage.Seq));
        var edited = await FindAsync(tenant, folder, "part-000/page-0003.md");
        Assert.Equal((2, "Another title"), (edited!.Version, edited.Content.Title));
        Assert.Equal(["edited"], edited.Content.Tags);
        var after = await Documents.ReadUsageAsync(tenant, None);
        Assert.Equal((25, 26, 26), (after.Documents, after.Versions, after.Seq));
        var feed = await Documents.ReadFeedAsync(tenant, 0, 200, None);
        Assert.Equal(Enumerable.Range(1, 26).Select(i => (long)i), feed.Value.Items.Select(i => i.Seq));
        Assert.All(feed.Value.Items, i => Assert.Equal($"import:{folder.Source}", i.Actor));
        var tags = await Documents.ListTagsAsync(tenant, 50, null, None);
        Assert.Equal(24, tags.Items.Single(t => t.Tag == "generated").Count);
    }

    [Fact]
    public async Task The_same_real_folder_gives_the_same_answers_in_every_model()
    {
        using var generated = new ImportFolder().Many(300);
        var folder = ImportFolder.Npm() ?? generated.Path;
        var answers = new List<string>();
        foreach (var model in Enum.GetValues<IsolationModel>())
        {
            var tenant = await fixture.Platform.NewTenantAsync(model);
            var report = await ImportAsync(tenant, new ImportOptions { Folder = folder, Source = "real" });
            Assert.True(report.Created >= 200, $"{report.Created} created, {report.Skipped.Count} skipped");
            Assert.Equal(report.Files, report.Created + report.Skipped.Count);
            answers.Add(await AnswersAsync(tenant));
        }

        Assert.Equal(answers[0], answers[1]);
        Assert.Equal(answers[0], answers[2]);
    }

    [Fact]
    public async Task What_people_did_since_the_last_import_is_kept_while_the_file_is_unchanged()
    {
        var tenant = await fixture.Platform.NewTenantAsync(IsolationModel.Shared);
        using var folder = new ImportFolder().Write("kept.md", "# Kept").Write("gone.md", "# Gone");
        await ImportAsync(tenant, folder);
        await ChangeAsync(tenant, folder, "kept.md", d => d with { Title = "By hand", Status = "published" });
        var gone = await FindAsync(tenant, folder, "gone.md");
        await Documents.WriteManyAsync(tenant, [new DocumentEdit(gone!.Id, gone, null)], By("people"), None);
        var again = await ImportAsync(tenant, folder);

        Assert.Equal((0, 1, 1), (again.Updated, again.Unchanged, again.LeftInTrash));
        Assert.Equal("By hand", (await FindAsync(tenant, folder, "kept.md"))!.Content.Title);

        folder.Write("kept.md", "# From the file");
        var changed = await ImportAsync(tenant, folder);
        var kept = await FindAsync(tenant, folder, "kept.md");
        Assert.Equal(1, changed.Updated);
        Assert.Equal(("From the file", "published"), (kept!.Content.Title, kept.Content.Status));

        var forced = await ImportAsync(tenant, new ImportOptions { Folder = folder.Path, Force = true });
        Assert.Equal((1, 1), (forced.Restored, forced.Unchanged));
    }

    [Fact]
    public async Task Pruning_puts_the_documents_of_deleted_files_into_the_trash_and_their_return_brings_them_back()
    {
        var tenant = await fixture.Platform.NewTenantAsync(IsolationModel.Schema);
        using var folder = new ImportFolder().Many(5);
        var prune = new ImportOptions { Folder = folder.Path, Prune = true };
        await ImportAsync(tenant, prune);
        var stranger = new DocumentContent
        {
            Title = "Looks imported",
            Body = "",
            Metadata = $$$"""{"source":{"name":"{{{folder.Source}}}","path":"not/there.md","hash":"x"}}""",
        };
        await Documents.CreateAsync(tenant, null, stranger, By("people"), None);
        File.Delete(folder.Full("part-000/page-0002.md"));
        var without = await ImportAsync(tenant, prune with { Prune = false });
        var with = await ImportAsync(tenant, prune);
        var usage = await Documents.ReadUsageAsync(tenant, None);
        folder.Many(5);
        var back = await ImportAsync(tenant, prune);

        Assert.Equal((0, 1, 1), (without.Pruned, with.Pruned, back.Restored));
        Assert.Equal((5, 1), (usage.Documents, usage.Trashed));
        Assert.Equal(
            (6, 0),
            (await Documents.ReadUsageAsync(tenant, None)) is var u ? (u.Documents, u.Trashed) : default
        );
        foreach (var file in Directory.GetFiles(folder.Path, "*.md", SearchOption.AllDirectories))
        {
            File.Delete(file);
        }

        var empty = await ImportAsync(tenant, prune);
        Assert.Equal(0, empty.Pruned);
        Assert.Contains(empty.Warnings, w => w.Text.StartsWith("Nothing was pruned", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_dry_run_says_what_would_be_and_writes_nothing()
    {
        var tenant = await fixture.Platform.NewTenantAsync(IsolationModel.Shared);
        using var folder = new ImportFolder().Many(5);
        var dry = await ImportAsync(tenant, new ImportOptions { Folder = folder.Path, DryRun = true });

        Assert.Equal(5, dry.Created);
        Assert.Equal(0, (await Documents.ReadUsageAsync(tenant, None)).Seq);
        Assert.Equal(5, (await ImportAsync(tenant, folder)).Created);
    }

    [Fact]
    public async Task Files_that_are_no_text_are_skipped_with_a_reason_and_the_others_are_imported()
    {
        var tenant = await fixture.Platform.NewTenantAsync(IsolationModel.Shared);
        using var folder = new ImportFolder()
            .Write("fine.md", "# Fine")
            .Write("latin1.md", [(byte)'a', 0xE9, (byte)'b'])
            .Write("nul.txt", "a\0b")
            .Write(
                "large.md",
                new byte[5 * 1024 * 1024 + 1]
                    .Select(_ => (byte)'x')
                    .ToArray()
            )
            .Write("broken-front.md", "---\ntitle: [\n---\n# Kept as text")
            .Write("empty.md", "");
        File.CreateSymbolicLink(folder.Full("dangling.md"), "nowhere.md");
        var report = await ImportAsync(tenant, folder);

        Assert.Equal(["dangling.md", "large.md", "latin1.md", "nul.txt"], report.Skipped.Select(s => s.Path));
        Assert.Equal("broken-front.md", Assert.Single(report.Warnings).Path);
        Assert.Equal(3, report.Created);
        Assert.Equal("empty", (await FindAsync(tenant, folder, "empty.md"))!.Content.Title);
    }

    [Fact]
    public async Task A_missing_tag_or_collection_is_added_without_touching_the_text()
    {
        var tenant = await fixture.Platform.NewTenantAsync(IsolationModel.Database);
        using var folder = new ImportFolder().Write("a.md", "---\ntags: [own]\n---\n# A");
        await ImportAsync(tenant, folder);
        await ChangeAsync(tenant, folder, "a.md", d => d with { Title = "By hand" });
        var collection = Guid.CreateVersion7();
        var more = new ImportOptions
        {
            Folder = folder.Path,
            Tags = ["extra"],
            CollectionId = collection,
        };
        var touched = await ImportAsync(tenant, more);
        var again = await ImportAsync(tenant, more);
        var document = await FindAsync(tenant, folder, "a.md");

        Assert.Equal((1, 1), (touched.Updated, again.Unchanged));
        Assert.Equal(["own", "extra"], document!.Content.Tags);
        Assert.Equal(("By hand", collection), (document.Content.Title, document.Content.CollectionId));
    }

    [Fact]
    public async Task Several_transactions_at_a_time_leave_no_gap_and_no_double()
    {
        var tenant = await fixture.Platform.NewTenantAsync(IsolationModel.Shared);
        using var folder = new ImportFolder().Many(60, words: 20);
        var options = new ImportOptions
        {
            Folder = folder.Path,
            Parallel = 4,
            Batch = 3,
        };
        var reports = await Task.WhenAll(ImportAsync(tenant, options), ImportAsync(tenant, options));
        var feed = await Documents.ReadFeedAsync(tenant, 0, 200, None);

        Assert.All(reports, r => Assert.Null(r.Stopped));
        Assert.Equal(60, reports.Sum(r => r.Created));
        Assert.Equal(Enumerable.Range(1, 60).Select(i => (long)i), feed.Value.Items.Select(i => i.Seq));
    }

    private Task<ImportReport> ImportAsync(Tenant tenant, ImportFolder folder, int batch = 100) =>
        ImportAsync(tenant, new ImportOptions { Folder = folder.Path, Batch = batch });

    private Task<ImportReport> ImportAsync(Tenant tenant, ImportOptions options) =>
        fixture.Platform.Get<FolderImport>().RunAsync(tenant, options, null, None);

    private Task<Document?> FindAsync(Tenant tenant, ImportFolder folder, string path) =>
        Documents.FindAsync(tenant, ImportIdentity.Of(folder.Source, path), false, None);

    private async Task ChangeAsync(
        Tenant tenant,
        ImportFolder folder,
        string path,
        Func<DocumentContent, DocumentContent> change
    )
    {
        var document = await FindAsync(tenant, folder, path);
        var edit = new DocumentEdit(document!.Id, document, change(document.Content));
        Assert.Null((await Documents.WriteManyAsync(tenant, [edit], By("people"), None)).Error);
    }

    private static DocumentWrite By(string actor) => new() { Actor = actor };

    /// <summary>Everything that a tenant can see of its documents, but for times.</summary>
    private async Task<string> AnswersAsync(Tenant tenant)
    {
        var lines = new List<string>();
        DocumentPosition? after = null;
        do
        {
            var query = new DocumentQuery
            {
                Limit = 100,
                Sort = DocumentSort.Title,
                After = after,
                IncludeBody = true,
            };
            var page = await Documents.ListAsync(tenant, query, None);
            lines.AddRange(
                page.Items.Select(d => $"{d.Id} {d.Version} {d.Content.Title} {d.Content.Body} {d.Content.Metadata}")
            );
            after = page.Next;
        } while (after is not null);

        foreach (var words in (string[])["npm install", "\"package lock\" -workspace", "word31 or license", "license"])
        {
            var hits = await Documents.SearchAsync(tenant, new DocumentSearch(words, 50, null, null, null), None);
            lines.AddRange(hits.Items.Select(h => $"{words}: {h.Id} {h.Score} {string.Join('|', h.Highlights)}"));
        }

        var tags = await Documents.ListTagsAsync(tenant, 200, null, None);
        lines.AddRange(tags.Items.Select(t => $"{t.Tag} {t.Count}"));
        lines.Add($"{await Documents.ReadUsageAsync(tenant, None)}");
        return string.Join('\n', lines);
    }
}
