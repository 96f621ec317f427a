using System.Diagnostics;
using System.Text.Json;
using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.PostgresTests.Documents;

/// <summary>How often each call of the repository goes to the server: Npgsql reports every batch as one activity.</summary>
public class RoundTripTests(DocumentsPlatform platform) : IClassFixture<DocumentsPlatform>
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Theory]
    [InlineData(IsolationModel.Shared)]
    [InlineData(IsolationModel.Schema)]
    [InlineData(IsolationModel.Database)]
    public async Task A_read_takes_one_round_trip_and_a_write_at_most_two(IsolationModel model)
    {
        var tenant = await platform.Platform.NewTenantAsync(model);
        var documents = platform.Platform.Get<IDocumentRepository>();
        var write = new DocumentWrite { Actor = "user:tester", Precondition = new(true, []) };
        var id = Guid.NewGuid();
        var content = new DocumentContent
        {
            Title = "One",
            Body = "",
            Tags = ["x"],
        };
        await documents.FindAsync(tenant, id, false, None);

        Assert.Equal(1, await CountAsync(() => documents.CreateAsync(tenant, id, content, write, None)));
        Assert.Equal(1, await CountAsync(() => documents.CreateAsync(tenant, null, content, Keyed("a"), None)));
        Assert.Equal(2, await CountAsync(() => documents.CreateAsync(tenant, null, content, Keyed("a"), None)));
        Assert.Equal(1, await CountAsync(() => documents.FindAsync(tenant, id, false, None)));
        Assert.Equal(
            1,
            await CountAsync(() => documents.FindAsOfAsync(tenant, id, DateTimeOffset.MaxValue, false, None))
        );
        Assert.Equal(1, await CountAsync(() => documents.ListAsync(tenant, new() { Limit = 50 }, None)));
        Assert.Equal(1, await CountAsync(() => documents.ListVersionsAsync(tenant, id, 10, null, false, None)));
        Assert.Equal(1, await CountAsync(() => documents.FindVersionsAsync(tenant, id, 1, 2, false, None)));
        Assert.Equal(1, await CountAsync(() => documents.SearchAsync(tenant, new("x", 10, null, null, null), None)));
        Assert.Equal(1, await CountAsync(() => documents.ListTagsAsync(tenant, 10, null, None)));
        Assert.Equal(1, await CountAsync(() => documents.ReadFeedAsync(tenant, 0, 10, None)));
        Assert.Equal(1, await CountAsync(() => documents.ReadUsageAsync(tenant, None)));

        var fields = DocumentFields.Parse(JsonDocument.Parse("""{"title":"Two","body":"b"}""").RootElement).Value;
        Assert.Equal(2, await ChangeAsync(new DocumentChange.Replace(fields), write));
        Assert.Equal(1, await ChangeAsync(new DocumentChange.Patch(fields), write));
        Assert.Equal(2, await ChangeAsync(new DocumentChange.RestoreVersion(1), write));
        Assert.Equal(2, await ChangeAsync(new DocumentChange.Delete(), Keyed("b")));
        Assert.Equal(1, await ChangeAsync(new DocumentChange.Delete(), Keyed("b")));
        Assert.Equal(2, await ChangeAsync(new DocumentChange.Restore(), write));
        Assert.Equal(2, await ChangeAsync(new DocumentChange.Delete(), write));
        Assert.Equal(2, await ChangeAsync(new DocumentChange.Purge(), write));

        Task<int> ChangeAsync(DocumentChange change, DocumentWrite by) =>
            CountAsync(() => documents.ChangeAsync(tenant, id, change, by, None));
        DocumentWrite Keyed(string key) =>
            write with
            {
                Idempotency = new(key, [1], d => new(200, d.ETag, null, null)),
            };
    }

    private static async Task<int> CountAsync(Func<Task> call)
    {
        var count = 0;
        using var mine = new Activity("mine").Start();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Npgsql",
            Sample = (ref _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                // Other tests run beside this one; a new physical connection is no round trip of the call's.
                if (
                    activity.RootId == mine.RootId
                    && activity.TagObjects.Any(t => t.Key is "db.query.text" or "db.statement")
                )
                {
                    Interlocked.Increment(ref count);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        await call();
        return count;
    }
}
