using TenantDocs.Moves;
using TenantDocs.Provisioning;

namespace TenantDocs.Tests.Moves;

public class RebalanceTests
{
    [Fact]
    public void A_draining_server_is_emptied_to_where_there_is_most_room()
    {
        var plan = Rebalance.Plan(
            [Server("a", 2, draining: true), Server("b", 5), Server("c", 1)],
            [new("one", "a", null), new("two", "a", null), new("three", "b", null)],
            threshold: 1
        );

        Assert.Equal([("one", "c"), ("two", "c")], plan.Moves.Select(m => (m.Tenant, m.To)));
        Assert.Empty(plan.Stuck);
    }

    [Fact]
    public void A_tenant_never_leaves_its_region_and_says_why_it_stays()
    {
        var plan = Rebalance.Plan(
            [Server("a", 1, draining: true), Server("b", 0, region: "us")],
            [new("one", "a", "eu")],
            threshold: 0.1
        );

        Assert.Empty(plan.Moves);
        Assert.Equal("no server of its region has room", Assert.Single(plan.Stuck).Reason);
    }

    [Fact]
    public void Levelling_stops_within_the_threshold_and_never_swings_back()
    {
        var tenants = Enumerable.Range(0, 9).Select(i => new MovableTenant($"t{i}", "a", null)).ToList();

        var plan = Rebalance.Plan([Server("a", 9), Server("b", 0)], tenants, threshold: 0.2);

        Assert.Equal(4, plan.Moves.Count);
        Assert.All(plan.Moves, m => Assert.Equal(("a", "b"), (m.From, m.To)));
        Assert.Empty(Rebalance.Plan([Server("a", 5), Server("b", 4)], tenants, threshold: 0.2).Moves);
    }

    [Fact]
    public void Who_cannot_move_off_a_draining_server_is_named_with_the_reason_and_nobody_else_is()
    {
        MovableTenant[] tenants =
        [
            new("busy", "a", null) { Stays = "it is busy" },
            new("busy too", "b", null) { Stays = "it is busy" },
            new("free", "a", null),
        ];

        var plan = Rebalance.Plan([Server("a", 2, draining: true), Server("b", 1), Server("c", 0)], tenants, 1);

        Assert.Equal("free", Assert.Single(plan.Moves).Tenant);
        var stuck = Assert.Single(plan.Stuck);
        Assert.Equal(("busy", "a", "it is busy"), (stuck.Tenant, stuck.From, stuck.Reason));
    }

    [Fact]
    public void A_way_back_is_given_up_for_a_draining_server_and_not_for_levelling()
    {
        MovableTenant[] tenants = [new("moved", "a", null) { HasWayBack = true }];

        Assert.Empty(Rebalance.Plan([Server("a", 9), Server("b", 0)], tenants, 0.1).Moves);
        Assert.Single(Rebalance.Plan([Server("a", 9, draining: true), Server("b", 0)], tenants, 0.1).Moves);
        // The control: levelling would move it.
        MovableTenant[] settled = [new("moved", "a", null)];
        Assert.Single(Rebalance.Plan([Server("a", 9), Server("b", 0)], settled, 0.1).Moves);
    }

    [Fact]
    public void A_server_takes_no_more_than_it_has_room_for()
    {
        var tenants = Enumerable.Range(0, 3).Select(i => new MovableTenant($"t{i}", "a", null)).ToList();

        var plan = Rebalance.Plan([Server("a", 3, draining: true), Server("b", 9)], tenants, 1);

        Assert.Equal("t0", Assert.Single(plan.Moves).Tenant);
        Assert.Equal(["t1", "t2"], plan.Stuck.Select(s => s.Tenant));
    }

    private static ServerLoad Server(string name, long used, bool draining = false, string region = "eu") =>
        new(name, region, 10, used, draining);
}
