namespace TenantDocs.Tests.Moves;

public class MoveExplorerTests
{
    public static TheoryData<Bug> Bugs => [.. Enum.GetValues<Bug>().Where(b => b is not Bug.None)];

    [Fact]
    public void No_interleaving_of_movers_writers_and_applier_breaks_an_invariant()
    {
        var states = MoveExplorer.Explore(Bug.None);

        Assert.True(states > 1000, $"Only {states} states: the model does not move.");
    }

    [Theory]
    [MemberData(nameof(Bugs))]
    public void Each_mistake_put_in_on_purpose_is_found(Bug bug)
    {
        var found = Assert.Throws<InvalidOperationException>(() => MoveExplorer.Explore(bug));

        Assert.Contains("→", found.Message, StringComparison.Ordinal);
    }
}
