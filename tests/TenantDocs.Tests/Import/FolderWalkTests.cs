using TenantDocs.Import;

namespace TenantDocs.Tests.Import;

public sealed class FolderWalkTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("tenantdocs-walk-");

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public void Files_of_the_known_kinds_are_listed_in_the_byte_order_of_their_paths()
    {
        Write(
            "b.md",
            "a.MARKDOWN",
            "B.txt",
            "sub/c.htm",
            "sub/d.text",
            "sub-x/e.html",
            "image.png",
            "noextension",
            ".git/x.md"
        );

        Assert.Equal(
            ["B.txt", "a.MARKDOWN", "b.md", "sub-x/e.html", "sub/c.htm", "sub/d.text"],
            Walk().Files.Select(f => f.Path)
        );
    }

    [Fact]
    public void A_link_in_a_circle_is_not_followed_and_a_link_to_another_folder_is()
    {
        Write("in/a.md");
        var outside = Directory.CreateTempSubdirectory("tenantdocs-walk-");
        try
        {
            File.WriteAllText(Path.Combine(outside.FullName, "o.md"), "x");
            Directory.CreateSymbolicLink(Path.Combine(_root.FullName, "in/up"), _root.FullName);
            Directory.CreateSymbolicLink(Path.Combine(_root.FullName, "self"), Path.Combine(_root.FullName, "self"));
            Directory.CreateSymbolicLink(Path.Combine(_root.FullName, "out"), outside.FullName);
            Directory.CreateSymbolicLink(Path.Combine(outside.FullName, "back"), _root.FullName);
            var walk = Walk();

            Assert.Equal(["in/a.md", "out/o.md"], walk.Files.Select(f => f.Path));
            Assert.Equal(
                ["in/up", "out/back", "self"],
                walk.Warnings.Select(w => w.Path).Order(StringComparer.Ordinal)
            );
            Assert.Empty(walk.Skipped);
        }
        finally
        {
            outside.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_broken_link_to_a_file_is_skipped_with_its_reason()
    {
        Write("a.md");
        File.CreateSymbolicLink(Path.Combine(_root.FullName, "broken.md"), "nowhere.md");
        File.CreateSymbolicLink(Path.Combine(_root.FullName, "fine.md"), "a.md");
        var walk = Walk();

        Assert.Equal(["a.md", "fine.md"], walk.Files.Select(f => f.Path));
        Assert.Equal("broken.md", Assert.Single(walk.Skipped).Path);
    }

    private FolderWalk Walk() => FolderWalk.Of(_root.FullName, CancellationToken.None);

    private void Write(params string[] paths)
    {
        foreach (var path in paths)
        {
            var full = Path.Combine(_root.FullName, path);
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            File.WriteAllText(full, "x");
        }
    }
}
