using System.Text.RegularExpressions;

namespace TenantDocs.Tests.Conventions;

public sealed partial class SourceTests
{
    private static IEnumerable<string> Sources =>
        Repository
            .Files("src", "*.cs")
            .Concat(Repository.Files("tests", "*.cs"))
            .Concat(Repository.Files("src", "*.sql"));

    [Fact]
    public void No_source_file_is_longer_than_400_lines()
    {
        Assert.NotEmpty(Sources);
        var longer = Sources
            .Select(f => (File: f, Lines: File.ReadLines(Repository.PathOf(f)).Count()))
            .Where(f => f.Lines > 400)
            .ToList();
        Assert.Empty(longer);
    }

    [Fact]
    public void No_source_file_holds_a_region_or_a_note_to_somebody()
    {
        Assert.Matches(Leftover(), "// TO" + "DO: later");
        var found = Sources
            .Where(f => !f.EndsWith("/SourceTests.cs", StringComparison.Ordinal))
            .Where(f => File.ReadLines(Repository.PathOf(f)).Any(l => Leftover().IsMatch(l)))
            .ToList();
        Assert.Empty(found);
    }

    /// <summary>README's table of rooms is the map of the house: every room on it, and none that is not there.</summary>
    [Fact]
    public void The_rooms_in_the_readme_are_the_folders()
    {
        var told = File.ReadLines(Repository.PathOf("README.md"))
            .SkipWhile(l => !l.StartsWith("| Room", StringComparison.Ordinal))
            .TakeWhile(l => l.StartsWith('|'))
            .Select(l => Room().Match(l))
            .Where(m => m.Success)
            .Select(m => m.Groups[1].Value)
            .ToList();
        var there = new[] { "TenantDocs", "TenantDocs.Api", "TenantDocs.Cli" }
            .SelectMany(p => Directory.EnumerateDirectories(Repository.PathOf("src", p)))
            .Where(d => Directory.EnumerateFiles(d, "*", SearchOption.AllDirectories).Any())
            .Select(d => Path.GetFileName(d)!)
            .Where(d => d is not ("bin" or "obj" or "Properties" or "wwwroot"))
            .Distinct();
        Assert.Equal(there.Order(StringComparer.Ordinal), told.Order(StringComparer.Ordinal));
    }

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX)\b|^\s*#region")]
    private static partial Regex Leftover();

    [GeneratedRegex(@"^\| `(\w+)`")]
    private static partial Regex Room();
}
