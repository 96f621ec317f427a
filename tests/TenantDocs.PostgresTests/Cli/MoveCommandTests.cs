using TenantDocs.Catalog;
using TenantDocs.Cli;
using TenantDocs.Fleet;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Provisioning;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Cli;

/// <summary><c>tenantdocs move …</c> and <c>rebalance …</c>, beside a host that carries the moves out.</summary>
public sealed class MoveCommandTests(PlatformFixture fixture) : IClassFixture<PlatformFixture>
{
    private Platform Platform => fixture.Platform;

    [Fact]
    public async Task A_plan_says_what_a_move_would_do_and_changes_nothing()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: "local-1");
        var words = await ProgramAsync("move", "plan", tenant.Slug, "--to", "database", "--server", "local-2");
        var json = await ProgramAsync(
            "move",
            "plan",
            tenant.Slug,
            "--to",
            "schema",
            "--max-pause",
            "700",
            "-o",
            "json"
        );

        Assert.True(words.ExitCode == ExitCode.Done, words.Error);
        Assert.Matches("from +shared on local-1", words.Output);
        Assert.Matches("to +database on local-2", words.Output);
        Assert.Matches("write pause +at most [0-9]+ ms", words.Output);
        Assert.Equal("schema", json.Json.GetProperty("to").GetProperty("isolation").GetString());
        Assert.Equal(700, json.Json.GetProperty("maxWritePauseMs").GetInt32());
        Assert.Empty(json.Json.GetProperty("blockers").EnumerateArray());
        Assert.Equal(tenant.Placement, (await FindAsync(tenant)).Placement);
        Assert.Null((await FindAsync(tenant)).ActiveOperation);
    }

    [Fact]
    public async Task A_plan_for_another_tier_with_the_same_home_says_that_nothing_moves()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Schema);
        await SetAsync(tenant, "UPDATE tenants SET tier = $2 WHERE id = $1", "starter");

        var plan = await RunAsync("move", "plan", tenant.Slug, "--tier", "business", "-o", "json");

        Assert.True(plan.ExitCode == ExitCode.Done, plan.Error);
        Assert.Equal("tierOnly", plan.Json.GetProperty("method").GetString());
        Assert.Equal(0, plan.Json.GetProperty("rows").GetInt64());
        Assert.Equal("starter", (await FindAsync(tenant)).Tier);
        // The controls: the change itself, after which nothing is left to change.
        var changed = await RunAsync("move", tenant.Slug, "--tier", "business", "--watch", "-o", "json");
        Assert.True(changed.ExitCode == ExitCode.Done, changed.Error);
        Assert.Equal("tierChange", changed.Json.GetProperty("type").GetString());
        Assert.Equal(
            ("business", tenant.Placement),
            ((await FindAsync(tenant)).Tier, (await FindAsync(tenant)).Placement)
        );
        await RefusedAsync("nothing-to-change", "move", "plan", tenant.Slug, "--tier", "business");
    }

    [Fact]
    public async Task A_move_is_watched_to_its_end_and_taken_back()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: "local-1");
        await Homes.WriteAsync(Platform, tenant);
        string[] move = ["move", tenant.Slug, "--to", "schema", "--server", "local-2"];

        var moved = await ProgramAsync([.. move, "--watch", "-o", "json"]);

        Assert.True(moved.ExitCode == ExitCode.Done, moved.Error);
        Assert.Equal("succeeded", moved.Json.GetProperty("status").GetString());
        Assert.True(moved.Json.GetProperty("result").GetProperty("verification").GetProperty("equal").GetBoolean());
        Assert.Contains($"{tenant.Slug}: ", moved.Error, StringComparison.Ordinal);
        var id = moved.Json.GetProperty("id").GetString()!;
        var home = (await FindAsync(tenant)).Placement;
        Assert.Equal((IsolationModel.Schema, "local-2"), (home.Isolation, home.Server));
        await RefusedAsync("nothing-to-change", move);
        await RefusedAsync("operation-finished", "move", "cutover", id);

        var back = await RunAsync("move", "rollback", id, "--watch", "-o", "json");

        Assert.True(back.ExitCode == ExitCode.Done, back.Error);
        Assert.Equal("rollback", back.Json.GetProperty("type").GetString());
        home = (await FindAsync(tenant)).Placement;
        Assert.Equal((IsolationModel.Shared, "local-1"), (home.Isolation, home.Server));
        await RefusedAsync("rollback-unavailable", "move", "rollback", id);
        await RefusedAsync("rollback-unavailable", "move", "finalize", id);
    }

    [Fact]
    public async Task A_move_by_hand_is_followed_switched_at_the_word_and_cleared_away()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: "local-1");
        var begun = await ProgramAsync("move", tenant.Slug, "--to", "schema", "--manual", "-o", "json");
        Assert.True(begun.ExitCode == ExitCode.Done, begun.Error);
        var id = begun.Json.GetProperty("id").GetString()!;
        Assert.Contains($"tenantdocs move wait {id}", begun.Error, StringComparison.Ordinal);
        await RefusedAsync("operation-in-progress", "move", tenant.Slug, "--to", "database");
        await ReadyAsync(id);
        var status = await RunAsync("move", "status", id);
        Assert.Equal(ExitCode.Done, status.ExitCode);
        Assert.Matches("status +waiting", status.Output);
        Assert.Matches("phase +ready", status.Output);
        var impatient = await RunAsync("move", "wait", id, "--timeout", "0");
        Assert.Equal(ExitCode.Failed, impatient.ExitCode);
        Assert.Contains("has not ended", impatient.Error, StringComparison.Ordinal);
        await RefusedAsync("operation-in-progress", "move", "finalize", id);

        Assert.Equal(ExitCode.Done, (await RunAsync("move", "cutover", id)).ExitCode);
        var ended = await RunAsync("move", "wait", id, "-o", "json");

        Assert.True(ended.ExitCode == ExitCode.Done, ended.Error);
        Assert.Equal("succeeded", ended.Json.GetProperty("status").GetString());
        var cleared = await RunAsync("move", "finalize", id, "--watch", "-o", "json");
        Assert.True(cleared.ExitCode == ExitCode.Done, cleared.Error);
        Assert.Equal("succeeded", cleared.Json.GetProperty("status").GetString());
        await RefusedAsync("rollback-unavailable", "move", "rollback", id);
        Assert.Equal(
            ["moveTenant done", "moveTenant operation-in-progress"],
            await RecordedAsync($"/tenants/{tenant.Slug}")
        );
        Assert.Equal(
            [
                "cutOverMove done",
                "finalizeMove done",
                "finalizeMove operation-in-progress",
                "rollBackMove rollback-unavailable",
            ],
            await RecordedAsync($"/operations/{id}")
        );
    }

    [Fact]
    public async Task Who_cancels_a_move_sees_it_cancelled_and_who_waits_for_it_is_told()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared);
        var begun = await ProgramAsync("move", tenant.Slug, "--to", "schema", "--manual", "-o", "json");
        var id = begun.Json.GetProperty("id").GetString()!;

        var cancelled = await RunAsync("move", "cancel", id, "--watch", "-o", "json");
        var waiting = await RunAsync("move", "wait", id);

        Assert.True(cancelled.ExitCode == ExitCode.Done, cancelled.Error);
        Assert.Equal("cancelled", cancelled.Json.GetProperty("status").GetString());
        Assert.Equal(IsolationModel.Shared, (await FindAsync(tenant)).Placement.Isolation);
        // One that was cancelled before is at its end for whoever asks, and that is not the success that was waited for.
        Assert.Equal(ExitCode.Failed, waiting.ExitCode);
        Assert.Contains("ended as cancelled", waiting.Error, StringComparison.Ordinal);
        await RefusedAsync("operation-finished", "move", "cutover", id);
    }

    [Fact]
    public async Task What_is_not_there_is_refused_in_words()
    {
        var none = Guid.NewGuid().ToString();
        await RefusedAsync("tenant-not-found", "move", "plan", "nobody", "--to", "schema");
        await RefusedAsync("tenant-not-found", "move", "nobody", "--to", "schema");
        await RefusedAsync("not-found", "move", "rollback", none);
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared);
        await RefusedAsync("validation-failed", "move", tenant.Slug, "--server", "nowhere");
        await RefusedAsync("validation-failed", "move", "plan", tenant.Slug, "--tier", "gold");
        var status = await RunAsync("move", "status", none);
        Assert.Equal(ExitCode.Failed, status.ExitCode);
        Assert.StartsWith("error: ", status.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("move")]
    [InlineData("move", "--to", "schema")]
    [InlineData("move", "x", "--to", "planet")]
    [InlineData("move", "x", "--to", "schema", "--max-pause", "0")]
    [InlineData("move", "x", "--to", "schema", "--max-pause", "60001")]
    [InlineData("move", "x", "--to", "schema", "--keep-source", "soon")]
    [InlineData("move", "x", "--to", "schema", "--keep-source", "-PT1H")]
    [InlineData("move", "plan", "x", "--keep-source", "P2147483647D")]
    [InlineData("move", "wait", "x")]
    [InlineData("move", "wait", "0190b2f4-6c1d-7c3e-9a55-0f1d2c3b4a59", "--timeout", "-1")]
    [InlineData("rebalance", "plan", "--threshold", "much")]
    public async Task A_wrong_command_line_is_2_and_does_nothing(params string[] args)
    {
        var run = await RunAsync(args);

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.StartsWith("error: ", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Fact]
    public async Task A_draining_server_is_emptied_by_a_rebalancing()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: "local-2");
        Assert.DoesNotContain(tenant.Slug, (await RunAsync("rebalance", "plan", "--threshold", "1")).Output, Ordinal);
        var leaving = await Platform.NewTenantAsync(IsolationModel.Shared, server: "local-2");
        await SetAsync(leaving, "UPDATE tenants SET status = $2 WHERE id = $1", "pendingDeletion");
        await RunAsync("server", "drain", "local-2");
        try
        {
            var plan = await RunAsync("rebalance", "plan", "--threshold", "1");
            Assert.Equal(ExitCode.Done, plan.ExitCode);
            Assert.Matches($"{tenant.Slug} +local-2 +local-1 +local-2 is draining", plan.Output);
            Assert.Matches($"{leaving.Slug} +local-2 +- +its status is pendingDeletion", plan.Output);
            Assert.Null((await FindAsync(tenant)).ActiveOperation);

            // The newest tenant comes first.
            var run = await ProgramAsync("rebalance", "run", "--threshold", "1", "--limit", "1", "-o", "json");

            // Not done: somebody stays on the draining server.
            Assert.True(run.ExitCode == ExitCode.Failed, run.Error);
            var stays = run.Json.EnumerateArray().Single(m => m.GetProperty("tenant").GetString() == leaving.Slug);
            Assert.False(stays.TryGetProperty("to", out var to) && to.GetString() is not null);
            Assert.Contains($"{tenant.Slug}: local-2 to local-1, operation ", run.Error, Ordinal);
            var id = run.Error.Split("operation ")[1].Split('\n')[0].Trim();
            var ended = await RunAsync("move", "wait", id);
            Assert.True(ended.ExitCode == ExitCode.Done, ended.Error);
            Assert.Equal("local-1", (await FindAsync(tenant)).Placement.Server);
            Assert.Equal(["moveTenant done"], await RecordedAsync($"/tenants/{tenant.Slug}"));
            await RunAsync("move", "finalize", id, "--watch");
        }
        finally
        {
            await RunAsync("server", "drain", "local-2", "--undo");
        }
    }

    private const StringComparison Ordinal = StringComparison.Ordinal;

    // A process of its own, which is told the names of this platform's databases: what makes a place for a tenant needs them.
    private Task<CommandRun> ProgramAsync(params string[] args) => CommandRun.ProcessAsync(Platform, args);

    private Task<CommandRun> RunAsync(params string[] args) => CommandRun.HereAsync(Platform, args);

    private async Task RefusedAsync(string code, params string[] args)
    {
        var run = await RunAsync(args);
        Assert.True(run.ExitCode == ExitCode.Failed, $"{run.ExitCode}: {run.Output}{run.Error}");
        Assert.StartsWith("error: ", run.Error, Ordinal);
        Assert.Contains($"({code})", run.Error, Ordinal);
        Assert.Empty(run.Output);
    }

    private async Task ReadyAsync(string id)
    {
        var requests = Platform.Get<OperationRequests>();
        while (
            await requests.FindAsync(Guid.Parse(id), TestContext.Current.CancellationToken)
                is not { Status: OperationStatus.Waiting, Phase: "ready" }
                    and var now
        )
        {
            Assert.False(now!.IsFinished, $"{now.Status}: {now.Problem}");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    private async Task<Tenant> FindAsync(Tenant tenant) =>
        (await Platform.Get<TenantCatalog>().FindAsync(tenant.Id, TestContext.Current.CancellationToken))!;

    private async Task SetAsync(Tenant tenant, string sql, string value)
    {
        await using var command = Platform.Catalog.Source.CreateCommand(sql);
        command.Parameters.AddWithValue(tenant.Id.Value);
        command.Parameters.AddWithValue(value);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    private async Task<IEnumerable<string>> RecordedAsync(string target) =>
        (await Platform.Get<StaffAudit>().ListAsync(null, 200, null, null, TestContext.Current.CancellationToken))
            .Where(a => a.Target == target)
            .Select(a => $"{a.Action} {a.Detail.GetProperty("outcome").GetString()}")
            .Order(StringComparer.Ordinal);
}
