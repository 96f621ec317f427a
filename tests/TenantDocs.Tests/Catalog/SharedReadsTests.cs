using TenantDocs.Catalog;

namespace TenantDocs.Tests.Catalog;

public sealed class SharedReadsTests
{
    private static readonly CancellationToken Never = CancellationToken.None;

    [Fact]
    public async Task All_who_ask_while_a_reading_is_under_way_get_its_answer()
    {
        var source = new TaskCompletionSource<int>();
        var count = 0;
        var reads = new SharedReads<string, int>(_ =>
        {
            count++;
            return source.Task;
        });

        var first = reads.ReadAsync("a", Never);
        var second = reads.ReadAsync("a", Never);
        source.SetResult(7);

        Assert.Equal((7, 7, 1), (await first, await second, count));
    }

    [Fact]
    public async Task Who_asks_after_a_reading_gets_a_new_one_also_when_the_first_was_over_at_once()
    {
        var count = 0;
        var reads = new SharedReads<string, int>(_ => Task.FromResult(++count));

        for (var i = 1; i <= 1_000; i++)
        {
            // Begun here and over before anybody else can join it, as for a thread that is interrupted meanwhile.
            Assert.Equal(i, await reads.ReadAsync("a", Never));
        }
    }

    [Fact]
    public async Task A_reading_that_fails_is_not_kept()
    {
        var faults = new Queue<Exception?>([new InvalidOperationException("once"), null]);
        var reads = new SharedReads<string, int>(_ =>
            faults.Dequeue() is { } fault ? Task.FromException<int>(fault) : Task.FromResult(7)
        );

        await Assert.ThrowsAsync<InvalidOperationException>(() => reads.ReadAsync("a", Never));

        Assert.Equal(7, await reads.ReadAsync("a", Never));
    }

    [Fact]
    public async Task Whose_wait_is_cancelled_does_not_end_it_for_the_others()
    {
        var source = new TaskCompletionSource<int>();
        var reads = new SharedReads<string, int>(_ => source.Task);
        using var gone = new CancellationTokenSource();
        var first = reads.ReadAsync("a", gone.Token);
        var second = reads.ReadAsync("a", Never);

        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        source.SetResult(7);

        Assert.Equal(7, await second);
    }
}
