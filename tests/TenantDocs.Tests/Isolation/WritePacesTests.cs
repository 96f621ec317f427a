using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Tests.Isolation;

/// <summary>On a clock that the test moves.</summary>
public sealed class WritePacesTests
{
    private static readonly TimeSpan Spacing = TimeSpan.FromMilliseconds(20);
    private readonly TenantId _tenant = new(Guid.NewGuid());
    private readonly HandClock _clock = new();

    [Fact]
    public void A_tenant_that_nobody_spaces_waits_for_nothing()
    {
        var paces = new WritePaces(_clock);
        paces.Set(new TenantId(Guid.NewGuid()), Spacing);
        Assert.True(paces.TurnAsync(_tenant, CancellationToken.None).AsTask().IsCompletedSuccessfully);
        Assert.True(paces.TurnAsync(_tenant, CancellationToken.None).AsTask().IsCompletedSuccessfully);
    }

    [Fact]
    public void Writes_begin_that_far_apart()
    {
        var paces = new WritePaces(_clock);
        paces.Set(_tenant, Spacing);
        Assert.Equal([0, 20, 40], Waits(paces, 3));
    }

    [Fact]
    public void No_write_waits_longer_than_the_longest()
    {
        var paces = new WritePaces(_clock);
        paces.Set(_tenant, Spacing);
        Assert.Equal(WritePaces.LongestWait.TotalMilliseconds, Waits(paces, 50).Max());
    }

    [Fact]
    public void It_ends_when_it_is_ended_and_when_it_is_not_said_again()
    {
        var paces = new WritePaces(_clock);
        paces.Set(_tenant, Spacing);
        Assert.Contains(20, Waits(paces, 2));
        paces.Set(_tenant, TimeSpan.Zero);
        Assert.Equal([0, 0], Waits(paces, 2));

        paces.Set(_tenant, Spacing);
        Assert.Contains(20, Waits(paces, 2));
        _clock.Pass(WritePaces.Lasting);
        Assert.Equal([0, 0], Waits(paces, 2));
    }

    [Fact]
    public void What_another_process_said_is_taken_over()
    {
        var paces = new WritePaces(_clock);
        paces.Hear(WritePaces.Say(_tenant, Spacing));
        Assert.Equal([0, 20], Waits(paces, 2));
    }

    [Theory]
    [InlineData("")]
    [InlineData("x 20")]
    [InlineData("{0}")]
    [InlineData("{0} x")]
    [InlineData("{0} -5")]
    [InlineData("{0} NaN")]
    [InlineData("{0} 1e300")]
    public void What_cannot_be_read_changes_nothing(string said)
    {
        var paces = new WritePaces(_clock);
        paces.Hear(said.Replace("{0}", _tenant.ToString(), StringComparison.Ordinal));
        Assert.Equal([0, 0], Waits(paces, 2));
    }

    // The clock stands still, so the wait of each is what its timer was asked for.
    private List<double> Waits(WritePaces paces, int writes)
    {
        var waits = new List<double>();
        for (var i = 0; i < writes; i++)
        {
            _clock.Asked = TimeSpan.Zero;
            _ = paces.TurnAsync(_tenant, CancellationToken.None).AsTask();
            waits.Add(Math.Round(_clock.Asked.TotalMilliseconds));
        }

        return waits;
    }

    private sealed class HandClock : TimeProvider
    {
        private long _now = 1_000_000;

        public TimeSpan Asked { get; set; }

        public void Pass(TimeSpan time) => _now += time.Ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Asked = dueTime;
            return System.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
