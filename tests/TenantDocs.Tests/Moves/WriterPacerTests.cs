using TenantDocs.Moves;

namespace TenantDocs.Tests.Moves;

public sealed class WriterPacerTests
{
    private static readonly TimeSpan Interval = Ms(100);

    [Fact]
    public void Writers_are_slowed_until_the_stream_is_faster_than_they_are()
    {
        // Each write takes the stream 4 ms; eight writers would write 2,000 a second.
        var (spacing, lag) = (TimeSpan.Zero, TimeSpan.FromSeconds(3));
        var longest = lag;
        for (var i = 0; i < 600 && lag > WriterPacer.Short; i++)
        {
            var written = spacing > Ms(0.5) ? Interval / spacing : Interval / Ms(0.5);
            var applied = Interval / Ms(4);
            var before = lag;
            lag = Max(TimeSpan.Zero, lag + Interval * (written / applied - 1));
            longest = Max(longest, lag);
            spacing = WriterPacer.Next(spacing, before, lag, Interval, WriterPacer.Short);
        }

        Assert.True(lag <= WriterPacer.Short, $"The lag is still {lag} at a spacing of {spacing}.");
        Assert.True(longest < TimeSpan.FromSeconds(10), $"The lag grew to {longest} first.");
    }

    [Fact]
    public void Writers_are_let_alone_while_the_stream_catches_up_by_itself() =>
        Assert.Equal(
            TimeSpan.Zero,
            WriterPacer.Next(TimeSpan.Zero, Ms(60_000), Ms(59_900), Interval, WriterPacer.Short)
        );

    [Fact]
    public void A_lag_that_does_not_fall_slows_writers_and_no_further_than_the_most()
    {
        var spacing = WriterPacer.Next(TimeSpan.Zero, Ms(500), Ms(500), Interval, WriterPacer.Short);
        Assert.True(spacing > TimeSpan.Zero);
        for (var i = 0; i < 100; i++)
        {
            spacing = WriterPacer.Next(spacing, TimeSpan.MaxValue, TimeSpan.MaxValue, Interval, WriterPacer.Short);
        }

        Assert.Equal(WriterPacer.Longest, spacing);
    }

    [Fact]
    public void A_short_lag_lets_them_go_again()
    {
        var spacing = WriterPacer.Longest;
        for (var i = 0; i < 60; i++)
        {
            spacing = WriterPacer.Next(spacing, Ms(3), Ms(3), Interval, WriterPacer.Short);
        }

        Assert.Equal(TimeSpan.Zero, spacing);
    }

    [Fact]
    public void A_lag_that_stays_within_what_is_enough_spaces_nobody_before_the_switch_is_near()
    {
        Assert.Equal(TimeSpan.Zero, WriterPacer.Next(TimeSpan.Zero, Ms(60), Ms(60), Interval, WriterPacer.Enough));
        // The controls: one that is longer, and the same before the switch.
        Assert.True(WriterPacer.Next(TimeSpan.Zero, Ms(160), Ms(160), Interval, WriterPacer.Enough) > TimeSpan.Zero);
        Assert.True(WriterPacer.Next(TimeSpan.Zero, Ms(60), Ms(60), Interval, WriterPacer.Short) > TimeSpan.Zero);
    }

    private static TimeSpan Ms(double milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
