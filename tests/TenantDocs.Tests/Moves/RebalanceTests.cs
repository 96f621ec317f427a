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

    private static ServerLoad Server(string name, long used, bool draining = false, string region = "eu") =>
        new(name, region, 10, used, draining);
}
