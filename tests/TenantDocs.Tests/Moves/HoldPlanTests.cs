using TenantDocs.Catalog;
using TenantDocs.Moves;

namespace TenantDocs.Tests.Moves;

/// <summary>What a plan says of a tenant that is held while it is copied.</summary>
public class HoldPlanTests
{
    private const long Little = 100_000;
    private const long Much = 1_000_000_000;

    [Theory]
    [InlineData(true, Little, 20, 500, "under-fence", "")]
    [InlineData(false, Little, 20, 500, "wal-level", "")]
    // 250 ms and a tenth more, of a fifth of a second: said, and with the budget of half a second no blocker.
    [InlineData(false, Little, 0.2, 500, "wal-level long-pause", "")]
    [InlineData(false, Much, 20, 500, "wal-level long-pause", "wal-level")]
    // Who allows the pause is told that requests do not wait that long.
    [InlineData(false, Much, 20, 100_000, "wal-level long-pause", "")]
    [InlineData(false, Much, 200, 100_000, "wal-level", "")]
    public void A_pause_that_is_longer_than_requests_wait_is_told_and_one_beyond_its_budget_forbids_the_move(
        bool canStream,
        long bytes,
        double heldForSeconds,
        int maxPauseMs,
        string notes,
        string blockers
    )
    {
        var (found, forbids) = (new List<MoveFinding>(), new List<MoveFinding>());

        HoldPlan.Judge(Leg(maxPauseMs), canStream, bytes, TimeSpan.FromSeconds(heldForSeconds), forbids, found);

        Assert.Equal(notes, string.Join(' ', found.Select(n => n.Code)));
        Assert.Equal(blockers, string.Join(' ', forbids.Select(n => n.Code)));
    }

    private static MoveLeg Leg(int maxPauseMs)
    {
        var place = new PlaceText(IsolationModel.Shared, "local-1", "shared", "shared", 1);
        return new(Guid.NewGuid(), Guid.NewGuid(), "acme", place, place, 0, maxPauseMs, true, TimeSpan.Zero);
    }
}
