using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Isolation;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Operations;

public sealed class OperationTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);
    private readonly Crashes _crashes = new();
    private readonly Trace _trace = new();
    private Platform _platform = null!;

    public async ValueTask InitializeAsync()
    {
        var server = await postgres.ServerConnectionString(0);
        _platform = await Platform.StartAsync(
            server,
            [server],
            new Dictionary<string, string?>
            {
                ["Operations:LeaseTime"] = "00:00:02",
                ["Operations:PollInterval"] = "00:00:00.050",
                ["Operations:RetryDelay"] = "00:00:00.005",
                ["Operations:MaxAttempts"] = "3",
            },
            services =>
            {
                services.AddSingleton<FailPoints>(_crashes);
                services.AddSingleton(_trace);
                services.AddOperationType<Traced>();
            }
        );
    }

    public ValueTask DisposeAsync() => _platform.DisposeAsync();

    private OperationRequests Requests => _platform.Get<OperationRequests>();

    [Fact]
    public async Task Steps_run_in_order_and_every_change_is_an_event_that_a_watcher_can_resume_after()
    {
        var ended = await RunAsync(new TracedInput());

        Assert.Equal(OperationStatus.Succeeded, ended.Status);
        Assert.Equal(["do:First", "do:Second", "do:Last"], _trace.Calls);
        Assert.Equal(["first", "second", "last"], ended.Phases);
        Assert.Equal(new OperationProgress(3, 3, "steps"), ended.Progress);
        Assert.False(ended.Cancellable);
        var events = await WatchAsync(ended, 0);
        Assert.Equal(OperationStatus.Succeeded, events[^1].Operation.Status);
        Assert.Equal([0, 1, 2, 3], events.Select(e => e.Operation.Progress.Done).Distinct());
        var resumed = await WatchAsync(ended, events[1].Seq);
        Assert.Equal(events[2..].Select(e => e.Seq), resumed.Select(e => e.Seq));
    }

    public static TheoryData<string> CrashPoints =>
        [
            .. from step in new[] { "First", "Second", "Last" }
            from place in new[] { FailPlace.BeforeDo, FailPlace.AfterEffect, FailPlace.AfterWrite }
            select $"traced/{step}/{place}",
        ];

    [Theory]
    [MemberData(nameof(CrashPoints))]
    public async Task After_a_crash_at_any_point_the_operation_is_resumed_and_no_completed_step_runs_again(string point)
    {
        var crashed = _crashes.At(point);

        var ended = await RunAsync(new TracedInput());

        await crashed.WaitAsync(Long, Never);
        Assert.Equal(OperationStatus.Succeeded, ended.Status);
        var repeated = point.EndsWith("AfterEffect", StringComparison.Ordinal) ? point.Split('/')[1] : null;
        foreach (var step in new[] { "First", "Second", "Last" })
        {
            Assert.Equal(step == repeated ? 2 : 1, _trace.Calls.Count(c => c == $"do:{step}"));
        }
    }

    [Fact]
    public async Task A_step_that_cannot_succeed_undoes_what_was_done_in_reverse()
    {
        var ended = await RunAsync(new TracedInput { FailAt = "Last", Faults = int.MaxValue });

        Assert.Equal(OperationStatus.Failed, ended.Status);
        Assert.Equal(["do:First", "do:Second", "do:Last", "undo:Last", "undo:Second", "undo:First"], _trace.Calls);
        Assert.Equal("operation-failed", ended.Problem!.Value.GetProperty("code").GetString());
        Assert.DoesNotContain(
            "SELECT",
            ended.Problem.Value.GetProperty("detail").GetString(),
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("Second", "BeforeUndo")]
    [InlineData("Second", "AfterUndo")]
    [InlineData("First", "AfterUndo")]
    public async Task A_crash_while_undoing_does_not_stop_the_undoing(string step, string place)
    {
        var crashed = _crashes.At($"traced/{step}/{place}");

        var ended = await RunAsync(new TracedInput { FailAt = "Last", Faults = int.MaxValue });

        await crashed.WaitAsync(Long, Never);
        Assert.Equal(OperationStatus.Failed, ended.Status);
        Assert.Equal("undo:First", _trace.Calls[^1]);
        Assert.Equal("operation-failed", ended.Problem!.Value.GetProperty("code").GetString());
    }

    [Fact]
    public async Task A_transient_fault_is_tried_again_and_does_not_fail_the_operation()
    {
        var ended = await RunAsync(
            new TracedInput
            {
                FailAt = "Second",
                Faults = 2,
                Transient = true,
            }
        );

        Assert.Equal(OperationStatus.Succeeded, ended.Status);
        Assert.Equal(3, _trace.Calls.Count(c => c == "do:Second"));
        Assert.DoesNotContain(_trace.Calls, c => c.StartsWith("undo", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_worker_that_lost_its_lease_writes_nothing_more()
    {
        var (reached, release) = _crashes.HoldAt("traced/Second/AfterEffect");
        var started = await StartAsync(new TracedInput());
        await reached.WaitAsync(Long, Never);
        // As after a long freeze: the lease has run out, and whoever takes it has a newer token.
        await ExecuteAsync(
            "UPDATE operations SET lease_token = lease_token + 1, lease_until = now() - interval '1 s' WHERE id = $1",
            started.Operation.Id
        );
        var ended = await Requests.WaitAsync(new StartedOperation(started.Operation, null), Long, Never);
        Assert.Equal(OperationStatus.Succeeded, ended.Status);
        var events = await WatchAsync(ended, 0);

        release();
        await _platform.Get<OperationWorker>().StopAsync(Never); // returns when the frozen one has come to its end

        Assert.Equal(events.Count, (await WatchAsync(ended, 0)).Count);
        Assert.Equal(1, _trace.Calls.Count(c => c == "do:Last"));
    }

    [Fact]
    public async Task An_operation_whose_worker_has_no_session_any_more_is_taken_over_before_its_lease_runs_out()
    {
        var server = await postgres.ServerConnectionString(0);
        await using var platform = await Platform.StartAsync(
            server,
            [server],
            new Dictionary<string, string?>
            {
                ["Operations:LeaseTime"] = "00:10:00",
                ["Operations:PollInterval"] = "00:00:00.050",
            },
            services =>
            {
                services.AddSingleton<FailPoints>(_crashes);
                services.AddSingleton(_trace);
                services.AddOperationType<Traced>();
            }
        );
        var requests = platform.Get<OperationRequests>();
        var begun = new List<StartedOperation>();
        for (var i = 0; i < 3; i++)
        {
            var crashed = _crashes.At("traced/Second/BeforeDo");
            begun.Add((await requests.StartAsync(new NewOperation("traced", new TracedInput(), "tests"), Never)).Value);
            await crashed.WaitAsync(Long, Never);
        }

        // The first one's worker has its session. The second one's has none, but its last heartbeat is young.
        await using var command = platform.Catalog.Source.CreateCommand(
            """
            UPDATE operations AS o SET lease_owner = coalesce(c.owner, o.lease_owner), lease_until = now() + c.lasts
              FROM (VALUES ($1, NULL, interval '4 min'), ($2, gen_random_uuid(), '6 min'), ($3, gen_random_uuid(), '4 min'))
                AS c (id, owner, lasts)
             WHERE o.id = c.id
            """
        );
        foreach (var operation in begun)
        {
            command.Parameters.Add(SqlValue.Of(operation.Operation.Id));
        }

        await command.ExecuteNonQueryAsync(Never);
        var ended = await requests.WaitAsync(new StartedOperation(begun[2].Operation, null), Long, Never);

        // Whoever took it looked at the older two in the same statement.
        Assert.Equal(OperationStatus.Succeeded, ended.Status);
        Assert.Equal(2, ended.LeaseToken);
        foreach (var untouched in begun.Take(2))
        {
            var now = (await requests.FindAsync(untouched.Operation.Id, Never))!;
            Assert.Equal((OperationStatus.Running, 1), (now.Status, now.LeaseToken));
        }
    }

    [Fact]
    public async Task A_cancellation_is_carried_out_by_undoing()
    {
        var started = await StartAsync(new TracedInput { WaitAt = "Second" });
        await _trace.Waiting.Task.WaitAsync(Long, Never);

        var cancelled = await Requests.CancelAsync(started.Operation.Id, Never);
        var ended = await Requests.WaitAsync(started, Long, Never);

        Assert.Equal(OperationStatus.Cancelling, cancelled.Value.Status);
        Assert.Equal(OperationStatus.Cancelled, ended.Status);
        Assert.Equal(["undo:Second", "undo:First"], _trace.Calls.TakeLast(2));
    }

    [Fact]
    public async Task A_cancellation_is_refused_in_a_phase_that_can_only_go_on()
    {
        var (reached, release) = _crashes.HoldAt("traced/Last/BeforeDo");
        var started = await StartAsync(new TracedInput());
        await reached.WaitAsync(Long, Never);

        var refused = await Requests.CancelAsync(started.Operation.Id, Never);
        release();

        Assert.Equal("operation-not-cancellable", refused.Error?.Code);
        Assert.Equal(OperationStatus.Succeeded, (await Requests.WaitAsync(started, Long, Never)).Status);
    }

    [Fact]
    public async Task A_cancellation_that_was_accepted_is_honoured_even_when_the_step_ends_in_that_moment()
    {
        var (reached, release) = _crashes.HoldAt("traced/Second/AfterEffect");
        var started = await StartAsync(new TracedInput());
        await reached.WaitAsync(Long, Never);
        Assert.Null((await Requests.CancelAsync(started.Operation.Id, Never)).Error);
        release();

        var ended = await Requests.WaitAsync(started, Long, Never);

        Assert.Equal(OperationStatus.Cancelled, ended.Status);
        Assert.DoesNotContain("do:Last", _trace.Calls);
    }

    [Fact]
    public async Task A_step_that_waits_holds_no_worker_and_goes_on_with_the_signal()
    {
        var started = await StartAsync(new TracedInput { ParkAt = "Second" });
        await UntilAsync(started.Operation.Id, OperationStatus.Waiting);

        await Requests.SignalAsync(started.Operation.Id, "go", new { }, Never);

        Assert.Equal(OperationStatus.Succeeded, (await Requests.WaitAsync(started, Long, Never)).Status);
    }

    [Fact]
    public async Task A_signal_reaches_a_step_that_waits_in_its_worker()
    {
        var started = await StartAsync(new TracedInput { WaitAt = "Second" });
        await _trace.Waiting.Task.WaitAsync(Long, Never);

        await Requests.SignalAsync(started.Operation.Id, "go", new { }, Never);

        Assert.Equal(OperationStatus.Succeeded, (await Requests.WaitAsync(started, Long, Never)).Status);
    }

    private async Task<Operation> RunAsync(TracedInput input) =>
        await Requests.WaitAsync(await StartAsync(input), Long, Never);

    private async Task<StartedOperation> StartAsync(TracedInput input) =>
        (await Requests.StartAsync(new NewOperation("traced", input, "tests"), Never)).Value;

    private async Task UntilAsync(Guid id, OperationStatus status)
    {
        await foreach (var happened in History.WatchAsync((await Requests.FindAsync(id, Never))!, 0, Never))
        {
            if (happened.Operation.Status == status)
            {
                return;
            }
        }

        Assert.Fail($"It ended without ever being {status}.");
    }

    private OperationHistory History => _platform.Get<OperationHistory>();

    private async Task<List<OperationEvent>> WatchAsync(Operation operation, long after)
    {
        var events = new List<OperationEvent>();
        await foreach (var happened in History.WatchAsync(operation, after, Never))
        {
            events.Add(happened);
        }

        return events;
    }

    private async Task ExecuteAsync(string sql, Guid id)
    {
        await using var command = _platform.Catalog.Source.CreateCommand(sql);
        command.Parameters.Add(SqlValue.Of(id));
        await command.ExecuteNonQueryAsync(Never);
    }
}
