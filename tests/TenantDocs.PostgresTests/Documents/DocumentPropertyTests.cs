using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.PostgresTests.Documents;

/// <summary>One random script gives the same answers in the three models and in a plain model in memory.</summary>
public class DocumentPropertyTests(DocumentsPlatform platform) : IClassFixture<DocumentsPlatform>
{
    private const int Operations = 120;

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 6), Random.Shared.Next(1000, 1_000_000)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task The_same_script_gives_the_same_answers_everywhere(int seed)
    {
        var time = new ManualTime();
        var expected = await new DocumentScript(seed).RunAsync(
            new MemoryDocuments(time, new DocumentsOptions().MaxBodyBytes),
            null!,
            time,
            Operations
        );
        foreach (var model in Enum.GetValues<IsolationModel>())
        {
            time = new ManualTime();
            var tenant = await platform.Platform.NewTenantAsync(model);
            var documents = ActivatorUtilities.CreateInstance<DocumentRepository>(platform.Platform.Services, time);

            var actual = await new DocumentScript(seed).RunAsync(documents, tenant, time, Operations);

            Assert.Equal(expected.Split('\n'), actual.Split('\n'));
        }
    }

    [Fact]
    public async Task Different_scripts_give_different_answers()
    {
        var transcripts = new HashSet<string>();
        for (var seed = 1; seed <= 5; seed++)
        {
            var time = new ManualTime();
            var memory = new MemoryDocuments(time, new DocumentsOptions().MaxBodyBytes);
            transcripts.Add(await new DocumentScript(seed).RunAsync(memory, null!, time, Operations));
        }

        Assert.Equal(5, transcripts.Count);
        // The scripts reach what they are meant to compare.
        foreach (
            var word in new[] { "replay", "quota-exceeded", "precondition-failed", "not-deleted", "sweep", "Purged" }
        )
        {
            Assert.Contains(transcripts, t => t.Contains(word, StringComparison.Ordinal));
        }
    }
}
