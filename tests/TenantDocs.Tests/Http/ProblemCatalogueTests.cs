using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;
using TenantDocs.Api.Http;
using TenantDocs.Tests.Conventions;

namespace TenantDocs.Tests.Http;

public partial class ProblemCatalogueTests
{
    [Fact]
    public void The_catalogue_is_as_approved()
    {
        var text = new StringBuilder();
        foreach (var kind in ProblemCatalogue.All)
        {
            text.Append($"{kind.Status} {kind.Code}: {kind.Title}\n");
        }

        Assert.Equal(File.ReadAllText(Approved()), text.ToString());
    }

    [Fact]
    public void Every_code_of_the_engine_and_the_host_is_in_the_catalogue()
    {
        foreach (
            var error in new[] { Error.NotFound, Error.Invalid("a", "b"), Failures.Internal, Failures.Unavailable }
        )
        {
            Assert.True(ProblemCatalogue.ByCode.ContainsKey(error.Code), error.Code);
        }

        foreach (var status in new[] { 400, 401, 403, 404, 405, 406, 408, 413, 414, 415, 417, 431, 500, 503 })
        {
            Assert.Equal(status, ProblemCatalogue.ByCode[Failures.OfStatus(status).Code].Status);
        }
    }

    /// <summary>Also those of an operation's problem and of a move's findings: each has a readable page and one status.</summary>
    [Fact]
    public void Every_code_in_the_sources_is_in_the_catalogue()
    {
        var codes = Repository
            .Files("src/TenantDocs", "*.cs")
            .Concat(Repository.Files("src/TenantDocs.Api", "*.cs"))
            .Where(f => !f.EndsWith("/ProblemCatalogue.cs", StringComparison.Ordinal))
            .SelectMany(f => Made().Matches(File.ReadAllText(Repository.PathOf(f))))
            .Select(m => m.Groups[1].Value)
            .Distinct()
            .ToList();
        Assert.Contains("tenant-suspended", codes);
        Assert.Contains("rollback-unavailable", codes);
        Assert.Contains("wal-level", codes);
        Assert.All(codes, c => Assert.True(ProblemCatalogue.ByCode.ContainsKey(c), c));
    }

    [GeneratedRegex(
        """new(?: Error| MoveFinding)?\(\s*(?:ErrorKind\.\w+,\s*)?(?:[^";()]*\? )?"([a-z]+(?:-[a-z]+)+)",\s"""
    )]
    private static partial Regex Made();

    [Fact]
    public void Codes_are_kebab_case_and_their_texts_are_sentences()
    {
        foreach (var kind in ProblemCatalogue.All)
        {
            Assert.Matches("^[a-z]+(-[a-z]+)*$", kind.Code);
            Assert.EndsWith(".", kind.Meaning, StringComparison.Ordinal);
            Assert.EndsWith(".", kind.Remedy, StringComparison.Ordinal);
        }
    }

    private static string Approved([CallerFilePath] string path = "") =>
        Path.Combine(Path.GetDirectoryName(path)!, "ProblemCatalogue.approved.txt");
}
