using TenantDocs.Moves;

namespace TenantDocs.Tests.Moves;

public sealed class StreamLagTests
{
    [Fact]
    public void Nothing_is_known_before_anything_arrived()
    {
        var lag = new StreamLag();
        Assert.Equal(TimeSpan.MaxValue, lag.Current);
        lag.Send();
        Assert.Equal(TimeSpan.MaxValue, lag.Current);
    }

    [Fact]
    public void A_heartbeat_that_arrived_tells_its_way()
    {
        var lag = new StreamLag();
        var marker = lag.Send();
        lag.Reach(marker, counts: true);
        Assert.True(lag.Current < TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void While_none_arrives_the_age_of_what_arrives_counts()
    {
        var lag = new StreamLag();
        var clock = new DateTime(2026, 1, 1, 12, 0, 0, DateTimeKind.Utc);
        lag.Set(clock);
        lag.Send();
        lag.Reach(clock.AddMinutes(-3));
        Assert.InRange(lag.Current, TimeSpan.FromMinutes(3), TimeSpan.FromMinutes(4));
        lag.Reach(clock.AddMinutes(-1));
        Assert.InRange(lag.Current, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(2));
    }

    [Fact]
    public void A_heartbeat_before_the_start_of_the_stream_says_nothing()
    {
        var lag = new StreamLag();
        lag.Reach(lag.Send(), counts: false);
        Assert.Equal(TimeSpan.MaxValue, lag.Current);
    }

    [Fact]
    public void Those_that_a_lost_connection_swallowed_are_not_waited_for()
    {
        var lag = new StreamLag();
        lag.Send();
        var second = lag.Send();
        lag.Reach(Guid.NewGuid(), counts: true);
        Assert.Equal(TimeSpan.MaxValue, lag.Current);
        lag.Reach(second, counts: true);
        Assert.True(lag.Current < TimeSpan.FromSeconds(5));
    }
}
