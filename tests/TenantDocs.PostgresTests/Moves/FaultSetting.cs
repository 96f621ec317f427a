using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>A platform whose servers or network fail while a tenant moves; each test says which servers, and starts it.</summary>
public abstract class FaultSetting(PostgresFixture postgres) : MoveSetting(postgres)
{
    /// <summary>The table whose copy is held up to be in the middle of it.</summary>
    private const string HeldTable = "documents";

    private const string WaitingCopySql = """
        SELECT pid::text FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'COPY%FROM STDIN%'
        """;

    protected static readonly MoveRequest ToDatabase = new() { Isolation = IsolationModel.Database, Server = Second };

    internal TestFailPoints FailPoints { get; } = new();

    /// <summary>Settings of one test, set before it starts its platform.</summary>
    protected Dictionary<string, string?> OwnSettings { get; } =
        new()
        {
            ["Operations:SweepInterval"] = "00:00:01",
            // Requests wait for a server that comes up; how long they do that is not what is tested.
            ["Isolation:MoveDeadline"] = "00:02:00",
        };

    protected override IReadOnlyDictionary<string, string?> Settings =>
        new Dictionary<string, string?>([.. base.Settings.Where(s => !OwnSettings.ContainsKey(s.Key)), .. OwnSettings]);

    public override ValueTask InitializeAsync() => ValueTask.CompletedTask;

    protected override void Configure(IServiceCollection services) => services.AddSingleton<FailPoints>(FailPoints);

    /// <summary>Writers and readers that survive a server or a connection which goes away.</summary>
    protected async Task<Workload> WorkAsync(Tenant tenant)
    {
        var workload = new Workload(Platform, tenant.Id) { Survives = IsOutage }.Start(writers: 2, readers: 1);
        await workload.AdvanceAsync(20);
        return workload;
    }

    /// <summary>Begins a move; returns its operation.</summary>
    protected async Task<Guid> BeginAsync(Tenant tenant)
    {
        var started = await Moves.StartAsync(tenant.Slug, ToDatabase, false, "tests", CancellationToken.None);
        Assert.True(started.Error is null, started.Error?.Detail);
        return started.Value.Operation.Id;
    }

    /// <summary>Sends a signal to a process.</summary>
    protected static void Signal(string name, int process)
    {
        using var kill = Process.Start("kill", [$"-{name}", process.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    /// <summary>Runs what a test does in the middle of the copy: the source's rows are on their way, the target takes none.</summary>
    protected Task InTheCopyAsync(Tenant tenant, Func<Task> fault)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        FailPoints.At(
            "move/Barrier",
            async () =>
            {
                var target = Platform.Get<Isolations>()[IsolationModel.Database].PlaceFor(tenant.Id, Second, 2);
                var holder = await Platform.Servers.OpenAsync(
                    target.Server,
                    target.Database,
                    SessionRole.Admin,
                    CancellationToken.None
                );
                await ExecuteAsync(holder, $"BEGIN; LOCK TABLE tenant.{HeldTable} IN ACCESS EXCLUSIVE MODE");
                _ = Task.Run(() => StrikeAsync(holder));
            }
        );
        return done.Task.WaitAsync(TimeSpan.FromMinutes(1));

        async Task StrikeAsync(NpgsqlConnection holder)
        {
            try
            {
                await using (holder)
                {
                    // In a transaction of its own each time: within one the list stays as it was first seen.
                    await UntilAsync(
                        "the copy is under way",
                        async () => await ListAsync(Second, holder.Database, WaitingCopySql) is not []
                    );
                    await fault();
                }

                done.SetResult();
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        }
    }

    /// <summary>
    /// The end of every fault: what was acknowledged is there, one home admits the tenant, and nothing else is left, as soon
    /// as the servers allow it.
    /// </summary>
    protected async Task JudgeAsync(Workload workload, Operation move)
    {
        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        await OneHomeAsync(move.Tenant!.Value);
        if (move.Status is OperationStatus.Succeeded)
        {
            Assert.Equal(Second, (await TenantAsync(move.Tenant.Value)).Placement.Server);
            await FinalizeAsync(move.Id);
        }
        else
        {
            Assert.Equal(First, (await TenantAsync(move.Tenant.Value)).Placement.Server);
        }

        await CleanAsync(move.Tenant.Value);
    }

    /// <summary>Waits until nothing but the tenant's home is left; fails with what is.</summary>
    protected async Task CleanAsync(TenantId id)
    {
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                await NothingLeaksAsync();
                await NothingElsewhereAsync(id);
                return;
            }
            catch (Exception) when (Stopwatch.GetElapsedTime(since) < TimeSpan.FromSeconds(40))
            {
                await Task.Delay(100);
            }
        }
    }

    protected static async Task UntilAsync(string what, Func<Task<bool>> condition)
    {
        var since = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(since) < TimeSpan.FromMinutes(1), "Not in time: " + what);
            await Task.Delay(20);
        }
    }

    protected static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static bool IsOutage(Exception e) =>
        e switch
        {
            PostgresException answer => answer.SqlState
                is PostgresErrorCodes.AdminShutdown
                    or PostgresErrorCodes.CrashShutdown
                    or PostgresErrorCodes.CannotConnectNow,
            NpgsqlException or SocketException or IOException => true,
            _ => false,
        };
}
