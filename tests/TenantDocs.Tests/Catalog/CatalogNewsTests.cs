using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using TenantDocs.Catalog;

namespace TenantDocs.Tests.Catalog;

/// <summary>What is believed while the catalog does not answer, for how long, and what is not.</summary>
public class CatalogNewsTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    private readonly LaterTime _time = new();
    private readonly CatalogNews _news;
    private int _reads;

    public CatalogNewsTests() =>
        _news = new CatalogNews(Options.Create(new CatalogOptions()), _time, NullLogger<CatalogNews>.Instance);

    [Fact]
    public async Task What_is_known_is_believed_for_a_minute_after_it_was_heard_last_and_no_longer()
    {
        Assert.False(_news.IsBelievedWithoutCatalog); // never heard
        _news.IsListening = true;
        var readAt = _time.GetTimestamp();
        _time.Later(TimeSpan.FromMinutes(4));
        Assert.True(_news.IsFresh(readAt)); // heard all the time
        _news.IsListening = false;
        Assert.False(_news.IsFresh(readAt));

        _time.Later(TimeSpan.FromSeconds(55));
        Assert.True(_news.IsBelievedWithoutCatalog);
        Assert.Equal("known", await _news.ReadAsync(Silent, 1, "known", readAt, None));

        _time.Later(TimeSpan.FromSeconds(10));
        Assert.False(_news.IsBelievedWithoutCatalog);
        await Assert.ThrowsAsync<IOException>(async () => await _news.ReadAsync(Silent, 1, "known", readAt, None));
    }

    [Fact]
    public async Task An_answer_counts_also_when_it_is_no_and_a_fault_is_no_silence()
    {
        var readAt = _time.GetTimestamp();
        Assert.Null(await _news.ReadAsync<int, string?>(_ => Task.FromResult<string?>(null), 1, "known", readAt, None));
        await Assert.ThrowsAsync<InvalidOperationException>(async () =>
            await _news.ReadAsync(Faulty, 1, "known", readAt, None)
        );
    }

    [Fact]
    public async Task While_it_is_away_nobody_waits_and_one_at_a_time_asks()
    {
        var readAt = _time.GetTimestamp();
        Assert.Equal("known", await _news.ReadAsync(Silent, 1, "known", readAt, None));
        var answer = new TaskCompletionSource<string>();
        for (var i = 0; i < 100; i++)
        {
            var reading = _news.ReadAsync(Slow, 1, "known", readAt, None);
            Assert.True(reading.IsCompleted);
            Assert.Equal("known", await reading);
        }

        Assert.Equal(1, Volatile.Read(ref _reads));

        // And the one that it answers ends that.
        answer.SetResult("new");
        await UntilAsync(async () => await _news.ReadAsync(Slow, 1, "known", readAt, None) == "new");

        Task<string> Slow(int key)
        {
            Interlocked.Increment(ref _reads);
            return answer.Task;
        }
    }

    [Fact]
    public async Task A_fault_and_a_late_answer_end_the_absence_too()
    {
        var readAt = _time.GetTimestamp();
        Assert.Equal("known", await _news.ReadAsync(Silent, 1, "known", readAt, None));
        Assert.Equal("known", await _news.ReadAsync(Faulty, 1, "known", readAt, None));
        await UntilAsync(() => Task.FromResult(!_news.IsAway));
        await Assert.ThrowsAsync<InvalidOperationException>(async () =>
            await _news.ReadAsync(Faulty, 1, "known", readAt, None)
        );

        var late = new TaskCompletionSource<string>();
        Assert.Equal("known", await _news.ReadAsync(_ => late.Task, 1, "known", readAt, None)); // after a second
        Assert.True(_news.IsAway);
        late.SetResult("new");
        await UntilAsync(() => Task.FromResult(!_news.IsAway));
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(30), "Not in time.");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    private static Task<string> Silent(int key) => Task.FromException<string>(new IOException("No answer."));

    private static Task<string> Faulty(int key) =>
        Task.FromException<string>(new InvalidOperationException("An answer, and a fault."));

    private sealed class LaterTime : TimeProvider
    {
        private long _later;

        public override long GetTimestamp() => base.GetTimestamp() + Volatile.Read(ref _later);

        public void Later(TimeSpan by) => Interlocked.Add(ref _later, (long)(by.TotalSeconds * TimestampFrequency));
    }
}
