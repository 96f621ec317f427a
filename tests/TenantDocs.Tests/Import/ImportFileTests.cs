using System.Text;
using System.Text.Json;
using TenantDocs.Import;

namespace TenantDocs.Tests.Import;

public sealed class ImportFileTests
{
    private static readonly ImportOptions Options = new() { Folder = ".", Source = "handbook" };

    [Fact]
    public void The_same_file_is_the_same_document_everywhere()
    {
        var id = ImportIdentity.Of("handbook", "guides/start.md");

        // Fixed for ever: an id that changed would double every imported document.
        Assert.Equal("0d4ae293-9aee-8cca-8015-9f6454432eb3", id.ToString());
        Assert.Equal('8', id.ToString()[14]);
        Assert.Contains(id.ToString()[19], "89ab");
        Assert.Equal(id, ImportIdentity.Of("handbook", "guides/start.md"));
        Assert.NotEqual(id, ImportIdentity.Of("handbook", "guides/start.MD"));
        Assert.NotEqual(id, ImportIdentity.Of("handbookguides", "/start.md"));
    }

    [Theory]
    [InlineData("a.md", "---\ntitle: From  front\n matter\n---\n# Heading", "From front matter")]
    [InlineData("a.md", "# The *first* [heading](http://x) with `code` #\ntext", "The first heading with code")]
    [InlineData("a.md", "```\n# not this\n```\n\n## This one\n", "This one")]
    [InlineData("a.md", "Underlined\n==========\n", "Underlined")]
    [InlineData("a.md", "#hashtag is no heading\n", "a")]
    [InlineData("a.md", "snake_case_name\n---\n", "snake_case_name")]
    [InlineData("a.html", "<html><head><!-- <title>no</title> --><title>\n A &amp; B </title></head></html>", "A & B")]
    [InlineData("a.htm", "<h1 class=x>Only <b>h1</b></h1>", "Only h1")]
    [InlineData("a.html", "<title> </title><h1>Second choice</h1>", "Second choice")]
    [InlineData("notes/read me.txt", "# a text file has no headings", "read me")]
    [InlineData("notes/.md", "", "notes/.md")]
    public void A_title_is_found(string path, string text, string title) =>
        Assert.Equal(title, Read(path, text).Content.Title);

    [Fact]
    public void A_title_is_cut_at_its_limit_and_never_in_a_character()
    {
        var title = Read("a.md", $"# {string.Concat(Enumerable.Repeat("😀", 600))}").Content.Title;

        Assert.Equal(500, title.EnumerateRunes().Count());
    }

    [Fact]
    public void Front_matter_becomes_title_tags_status_and_metadata()
    {
        var file = Read(
            "a.md",
            "---\ntitle: T\ntags: [one, ' two ', one, 3]\nstatus: published\ndate: 2024-01-31\nsource: http://x\nauthor: {name: N}\n---\nBody"
        );

        Assert.Equal(["one", "two", "3"], file.Content.Tags);
        Assert.Equal("published", file.Content.Status);
        Assert.True(file.SaysStatus);
        Assert.Equal("Body", file.Content.Body);
        using var metadata = JsonDocument.Parse(file.Content.Metadata);
        var root = metadata.RootElement;
        Assert.Equal(["date", "author", "source"], root.EnumerateObject().Select(p => p.Name));
        Assert.Equal("2024-01-31", root.GetProperty("date").GetString());
        Assert.Equal("N", root.GetProperty("author").GetProperty("name").GetString());
        Assert.Equal("a.md", root.GetProperty("source").GetProperty("path").GetString());
        Assert.Equal("handbook", root.GetProperty("source").GetProperty("name").GetString());
        Assert.Equal(file.Hash, root.GetProperty("source").GetProperty("hash").GetString());
        Assert.Equal("http://x", root.GetProperty("source").GetProperty("frontMatter").GetString());
    }

    [Theory]
    [InlineData("tags: alpha beta", new[] { "alpha", "beta" })]
    [InlineData("tags: getting started, '#reference'", new[] { "getting started", "'#reference'" })]
    [InlineData("tags: '#obsidian'", new[] { "obsidian" })]
    [InlineData("tags:", new string[0])]
    [InlineData("tags: {not: tags}", new string[0])]
    public void Tags_are_read_as_people_write_them(string line, string[] tags) =>
        Assert.Equal(tags, Read("a.md", $"---\n{line}\n---\n").Content.Tags);

    [Fact]
    public void A_status_that_is_none_is_kept_in_the_metadata_with_a_warning()
    {
        var file = Read("a.md", "---\nstatus: Work in progress!\n---\n");

        Assert.Equal("draft", file.Content.Status);
        Assert.False(file.SaysStatus);
        Assert.Contains("Work in progress!", file.Content.Metadata, StringComparison.Ordinal);
        Assert.Single(file.Warnings);
    }

    [Fact]
    public void Metadata_that_is_too_large_leaves_the_front_matter_in_the_text()
    {
        var text = $"---\na: {new string('x', 40_000)}\nb: {new string('é', 20_000)}\n---\nBody";
        var file = Read("a.md", text);

        Assert.Equal(text, file.Content.Body);
        Assert.Contains("\"path\":\"a.md\"", file.Content.Metadata, StringComparison.Ordinal);
        Assert.NotEmpty(file.Warnings);
    }

    [Theory]
    [InlineData(new byte[] { (byte)'a', 0xC3, 0x28 }, "not UTF-8: byte 1")]
    [InlineData(new byte[] { (byte)'a', 0, (byte)'b' }, "NUL at byte 1")]
    [InlineData(new byte[] { 0xFF, 0xFE, (byte)'a', 0 }, "UTF-16")]
    [InlineData(new byte[] { 0xED, 0xA0, 0x80 }, "not UTF-8")]
    public void Bytes_that_are_no_text_are_refused_in_words(byte[] bytes, string words)
    {
        var (file, fault) = ImportFile.Of(Entry("a.md"), bytes, Options, 1000);

        Assert.Null(file);
        Assert.Contains(words, fault, StringComparison.Ordinal);
    }

    [Fact]
    public void A_byte_order_mark_is_no_part_of_the_text()
    {
        byte[] bytes = [0xEF, 0xBB, 0xBF, .. "---\ntitle: T\n---\nBody"u8];
        var (file, _) = ImportFile.Of(Entry("a.md"), bytes, Options, 1000);

        Assert.Equal("T", file!.Content.Title);
    }

    [Fact]
    public void A_body_at_the_limit_is_taken_and_one_byte_more_is_not()
    {
        Assert.Null(
            ImportFile
                .Of(
                    Entry("a.md"),
                    new byte[1000]
                        .Select(_ => (byte)'x')
                        .ToArray(),
                    Options,
                    1000
                )
                .Fault
        );
        Assert.NotNull(
            ImportFile
                .Of(
                    Entry("a.md"),
                    new byte[1001]
                        .Select(_ => (byte)'x')
                        .ToArray(),
                    Options,
                    1000
                )
                .Fault
        );
    }

    [Theory]
    [InlineData("a.md", "text/markdown")]
    [InlineData("a.txt", "text/plain")]
    [InlineData("a.html", "text/html")]
    public void The_content_type_follows_the_extension(string path, string contentType) =>
        Assert.Equal(contentType, Read(path, "x").Content.ContentType);

    private static ImportFile Read(string path, string text)
    {
        var (file, fault) = ImportFile.Of(Entry(path), Encoding.UTF8.GetBytes(text), Options, 1_000_000);
        Assert.Null(fault);
        return file!;
    }

    private static FolderEntry Entry(string path)
    {
        var kind = Path.GetExtension(path) switch
        {
            ".txt" => FileKind.Text,
            ".html" or ".htm" => FileKind.Html,
            _ => FileKind.Markdown,
        };
        return new FolderEntry(path, path, 0, kind);
    }
}
