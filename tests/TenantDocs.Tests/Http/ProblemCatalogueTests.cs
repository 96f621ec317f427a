using System.Runtime.CompilerServices;
using System.Text;
using TenantDocs.Api.Http;

namespace TenantDocs.Tests.Http;

public class ProblemCatalogueTests
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
