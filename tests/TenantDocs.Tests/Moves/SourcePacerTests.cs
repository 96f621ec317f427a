using System.Diagnostics;
using TenantDocs.Moves;

namespace TenantDocs.Tests.Moves;

public sealed class SourcePacerTests
{
    [Fact]
    public async Task Answers_in_time_let_the_work_go_on_without_rest()
    {
        await using var pacer = new SourcePacer(TimeProvider.System);
        for (var i = 0; i < 100; i++)
        {
            pacer.Answered(late: false);
        }

        Assert.Equal(0, pacer.Rest);
        Assert.False(pacer.IsResting);
        var began = Stopwatch.GetTimestamp() - Stopwatch.Frequency;
        Assert.True(await pacer.RestAsync(began, TestContext.Current.CancellationToken) > began);
    }

    [Fact]
    public async Task Late_answers_make_it_rest_at_most_twice_as_long_as_it_works_and_good_ones_take_that_back()
    {
        await using var pacer = new SourcePacer(TimeProvider.System);
        for (var i = 0; i < 100; i++)
        {
            pacer.Answered(late: true);
        }

        Assert.Equal(2, pacer.Rest);
        Assert.True(pacer.IsResting);
        var start = Stopwatch.GetTimestamp();
        var worked = TimeSpan.FromMilliseconds(50);
        await pacer.RestAsync(
            start - (long)(worked.TotalSeconds * Stopwatch.Frequency),
            TestContext.Current.CancellationToken
        );
        // A timer may end a little early.
        Assert.True(Stopwatch.GetElapsedTime(start) > 1.8 * worked);

        for (var i = 0; i < 400; i++)
        {
            pacer.Answered(late: false);
        }

        Assert.Equal(0, pacer.Rest, 6);
    }

    [Fact]
    public async Task Where_others_are_at_work_it_begins_with_the_longest_rest_and_is_soon_without_one_unless_an_answer_is_late()
    {
        await using var free = new SourcePacer(TimeProvider.System);
        await using var late = new SourcePacer(TimeProvider.System);
        free.BeginSlowly();
        late.BeginSlowly();
        Assert.Equal(2, free.Rest);
        free.Answered(late: true); // one is late anyhow
        late.Answered(late: true);
        late.Answered(late: true);
        for (var i = 0; i < 41; i++)
        {
            free.Answered(late: false);
            late.Answered(late: false);
        }

        Assert.Equal(0, free.Rest);
        Assert.InRange(late.Rest, 1.7, 2);
    }

    [Fact]
    public async Task Small_pieces_are_gathered_before_it_rests()
    {
        await using var pacer = new SourcePacer(TimeProvider.System);
        pacer.Answered(late: true);
        var began = Stopwatch.GetTimestamp() + Stopwatch.Frequency; // worked for less than nothing

        Assert.Equal(began, await pacer.RestAsync(began, TestContext.Current.CancellationToken));
    }
}
