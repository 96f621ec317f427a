using System.Diagnostics;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Moves;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

public sealed class RollbackTests(PostgresFixture postgres) : MoveSetting(postgres)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);

    [Theory]
    [InlineData(IsolationModel.Shared, IsolationModel.Database)]
    [InlineData(IsolationModel.Database, IsolationModel.Shared)]
    public async Task A_move_is_taken_back_under_load_and_what_was_written_since_comes_along(
        IsolationModel from,
        IsolationModel to
    )
    {
        var tenant = await Platform.NewTenantAsync(from, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start();
        await workload.AdvanceAsync(50);
        var move = await MoveAsync(tenant, new MoveRequest { Isolation = to, Server = Second });
        Succeeded(move);
        await workload.AdvanceAsync(50);

        var rollback = await Moves.RollbackAsync(move.Id, "tests", CancellationToken.None);

        Assert.True(rollback.Error is null, rollback.Error?.Detail);
        Succeeded(await EndAsync(rollback.Value.Id));
        await workload.AdvanceAsync(50);
        await workload.JudgeAsync();
        var back = (await TenantAsync(tenant.Id)).Placement;
        Assert.Equal((from, First, 3), (back.Isolation, back.Server, back.Epoch));
        await OneHomeAsync(tenant.Id);
        await ClearedAsync(rollback.Value.Id);
        await NothingLeaksAsync();
        await NothingElsewhereAsync(tenant.Id);
    }

    [Fact]
    public async Task A_kept_home_is_compared_while_it_is_kept_and_is_no_way_back_once_it_differs()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = new Workload(Platform, tenant.Id).Start();
        await workload.AdvanceAsync(50);
        var move = await MoveAsync(tenant, new MoveRequest { Isolation = IsolationModel.Database, Server = Second });
        Succeeded(move);
        // The control: under load, compared more than once, and found to be the same.
        var first = await KeptAsync(move.Id, RetentionOperation.ComparedKey);
        await KeptAsync(move.Id, RetentionOperation.ComparedKey, other: first);
        Assert.Null(await FindKeptAsync(move.Id, RetentionOperation.LostKey));
        await workload.JudgeAsync();

        await using (var connection = await Platform.OpenAsync(tenant, SessionRole.Mover))
        {
            await using var damage = new NpgsqlCommand(
                "INSERT INTO shared.document_changes VALUES ($1, 1000000, 'x', gen_random_uuid(), 1, now(), 'rogue')",
                connection
            );
            damage.Parameters.Add(SqlValue.Of(tenant.Id.Value));
            Assert.Equal(1, await damage.ExecuteNonQueryAsync(TestContext.Current.CancellationToken));
        }

        Assert.Contains(
            "document_changes",
            await KeptAsync(move.Id, RetentionOperation.LostKey),
            StringComparison.Ordinal
        );
        var rollback = await Moves.RollbackAsync(move.Id, "tests", CancellationToken.None);
        Assert.Equal("rollback-unavailable", rollback.Error?.Code);
        Assert.Contains("document_changes", rollback.Error?.Detail, StringComparison.Ordinal);
        var told = (await Requests.FindAsync(move.Id, CancellationToken.None))!.Result!.Value.GetProperty("links");
        Assert.Equal(["finalize"], told.EnumerateObject().Select(l => l.Name));
        // The tenant is served where it is.
        await OneHomeAsync(tenant.Id);
        await FinalizeAsync(move.Id);
        await NothingLeaksAsync();
    }

    [Fact]
    public async Task A_finalized_move_cannot_be_taken_back()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        var move = await MoveAsync(tenant, new MoveRequest { Isolation = IsolationModel.Schema });
        Succeeded(move);
        await FinalizeAsync(move.Id);

        var rollback = await Moves.RollbackAsync(move.Id, "tests", CancellationToken.None);

        Assert.Equal("rollback-unavailable", rollback.Error?.Code);
        await NothingLeaksAsync();
    }

    [Fact]
    public async Task Nobody_who_ends_the_keeping_waits_for_a_stream_that_does_not_catch_up()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Schema, server: First);
        var kept = tenant.Placement;
        await using var workload = new Workload(Platform, tenant.Id).Start();
        await workload.AdvanceAsync(20);
        var move = await MoveAsync(tenant, new MoveRequest { Isolation = IsolationModel.Shared });
        Succeeded(move);
        await using var connection = await Platform.Servers.OpenAsync(
            First,
            kept.Database,
            SessionRole.Admin,
            TestContext.Current.CancellationToken
        );
        await using var transaction = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using var locks = new NpgsqlCommand(
            $"LOCK TABLE {kept.Schema.Quoted}.tenant_state IN EXCLUSIVE MODE",
            connection
        );
        await locks.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        await workload.AdvanceAsync(20);
        const string waiting = "SELECT pid::text FROM pg_locks WHERE NOT granted AND relation IS NOT NULL";
        for (var start = Stopwatch.GetTimestamp(); (await ListAsync(First, kept.Database.Name, waiting)).Count == 0; )
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Deadline, "Nothing of the way back waits for the lock.");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        var asked = Stopwatch.GetTimestamp();
        var finalized = await Moves.FinalizeAsync(move.Id, CancellationToken.None);
        Assert.True(finalized.Error is null, finalized.Error?.Detail);
        await KeptAsync(move.Id, RetentionOperation.StreamEndedKey);

        // A statement that stands still is given up after twenty seconds, a stream that stands still after a minute.
        Assert.True(Stopwatch.GetElapsedTime(asked) < TimeSpan.FromSeconds(15));
        await transaction.RollbackAsync(TestContext.Current.CancellationToken);
        Succeeded(await EndAsync(finalized.Value.Id));
        await workload.JudgeAsync();
        await NothingLeaksAsync();
        await NothingElsewhereAsync(tenant.Id);
    }

    protected override IReadOnlyDictionary<string, string?> Settings =>
        new Dictionary<string, string?>(base.Settings) { ["Moves:CompareInterval"] = "00:00:00.500" };

    private async Task<string> KeptAsync(Guid move, string key, string? other = null)
    {
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < Deadline; )
        {
            if (await FindKeptAsync(move, key) is { } value && value != other)
            {
                return value;
            }

            await Task.Delay(50);
        }

        throw new TimeoutException($"'{key}' did not come.");
    }

    private async Task<string?> FindKeptAsync(Guid move, string key)
    {
        var kept = await Retention.FindAsync(Platform.Catalog, Requests, move, CancellationToken.None);
        return kept is not null && kept.State.TryGetProperty(key, out var value) ? value.ToString() : null;
    }
}
