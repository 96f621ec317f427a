using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Isolation;

namespace TenantDocs.PostgresTests.Behaviour;

/// <summary>Why enter_write is VOLATILE plpgsql under READ COMMITTED: three other ways of "lock, then read" read too early.</summary>
[Collection(nameof(AttackGround))]
public sealed class FenceTests(AttackGround ground)
{
    private const string LockAndRead = "SELECT epoch FROM fence, (SELECT pg_advisory_xact_lock_shared(4711)) AS l";

    private const string Function = """
        CREATE FUNCTION locked_epoch() RETURNS int LANGUAGE plpgsql {0} AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(4711);
            RETURN (SELECT epoch FROM fence);
        END $$
        """;

    [Theory]
    [InlineData("read committed", null, LockAndRead, 1)] // one snapshot, taken before the wait: a bypass
    [InlineData("read committed", "VOLATILE", "SELECT locked_epoch()", 2)] // ours: a snapshot per statement inside
    [InlineData("read committed", "STABLE", "SELECT locked_epoch()", 1)] // the caller's snapshot
    [InlineData("repeatable read", "VOLATILE", "SELECT locked_epoch()", 1)] // the transaction's snapshot
    public async Task What_is_read_after_waiting_for_the_lock(string level, string? volatility, string read, int seen)
    {
        // A database of its own: the fence must be committed to be seen, and a lock number is for a whole database.
        var tenant = await ground.Platform.PlaceAsync(IsolationModel.Database);
        await using var mover = await ground.Platform.OpenAsync(tenant, SessionRole.Admin);
        await using var writer = await ground.Platform.OpenAsync(tenant, SessionRole.Admin);
        await using var watcher = await ground.Platform.OpenAsync(tenant, SessionRole.Admin);
        await mover.ExecuteAsync("CREATE SCHEMA scratch; SET search_path = scratch");
        await writer.ExecuteAsync("SET search_path = scratch");
        await mover.ExecuteAsync("CREATE TABLE fence (epoch int); INSERT INTO fence VALUES (1)");
        if (volatility is not null)
        {
            await mover.ExecuteAsync(Function.Replace("{0}", volatility, StringComparison.Ordinal));
        }

        await mover.ExecuteAsync("BEGIN; SELECT pg_advisory_xact_lock(4711); UPDATE fence SET epoch = 2");
        await writer.ExecuteAsync($"BEGIN ISOLATION LEVEL {level}");
        var reading = writer.AskAsync<int>(read);
        await watcher.UntilAsync(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted",
            n => n == 1
        );
        await mover.ExecuteAsync("COMMIT");

        Assert.Equal(seen, await reading);
    }
}
