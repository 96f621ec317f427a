using System.Diagnostics;
using System.Globalization;
using System.Text;
using TenantDocs.Benchmarks.Hosts;
using TenantDocs.Operations;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>
/// How long a tenant's writes are not served when the process that moves it is killed: <c>move-recovery [--rounds n]
/// [--at place] [--writers n] [--readers n] [--rate n] [--out file]</c>.
/// </summary>
internal sealed class MoveRecovery(MoveSettings settings)
{
    private static readonly TimeSpan Lease = new OperationOptions().LeaseTime;

    // In the order of a move; from "Fenced" to "Arrived" the tenant's writes are held.
    private static readonly string[] AllPlaces =
    [
        "PlanStep/AfterEffect",
        "PrepareStep/AfterEffect",
        "Barrier",
        "Copied",
        "CatchUpStep/AfterEffect",
        "VerifyStep/AfterEffect",
        "ReadyStep/AfterEffect",
        "Fenced",
        "Drained",
        "CutoverStep/AfterEffect",
        "CutoverStep/AfterWrite",
        "Left",
        "Arrived",
        "ActivateStep/AfterEffect",
    ];

    private readonly string[] _places =
        settings.At.Length == 0 ? AllPlaces
        : AllPlaces.Contains(settings.At) ? [settings.At]
        : throw new BenchmarkException($"'{settings.At}' is no place. Places: {string.Join(' ', AllPlaces)}.");

    private readonly List<Recovery> _recoveries = [];
    private int _tenants;
    private int _discarded;

    /// <summary>Runs it; 0 when nothing was lost, doubled or failed.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            return await new MoveRecovery(MoveSettings.Parse("move-recovery", args)).RunAsync();
        }
        catch (BenchmarkException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    private async Task<int> RunAsync()
    {
        await using var stage = await MoveStage.StartAsync(works: false);
        var report = new MoveReport(settings, stage.Version);
        for (var round = 0; round < settings.Rounds; round++)
        {
            foreach (var place in _places)
            {
                foreach (var another in new[] { true, false })
                {
                    var recovery = await KillAsync(stage, place, another, round);
                    _recoveries.Add(recovery);
                    await Console.Error.WriteLineAsync(recovery.ToString());
                }
            }
        }

        var lost = _recoveries.Sum(r => r.Lost);
        var doubled = _recoveries.Sum(r => r.Doubled);
        var failed = _recoveries.Sum(r => r.Failed);
        var stale = _recoveries.Sum(r => r.Stale);
        report.AtMost(
            "another worker runs: longest time without a served write, after the kill",
            Of(another: true).Max(r => r.Unserved),
            Lease.TotalSeconds,
            " s"
        );
        report.AtMost(
            "restarted: longest time without a served write, after the worker is back",
            Of(another: false).Max(r => r.Unserved),
            10,
            " s"
        );
        report.Show("kills", _recoveries.Count.ToString(CultureInfo.InvariantCulture));
        report.Show("not killed, for another worker had the move", _discarded.ToString(CultureInfo.InvariantCulture));
        report.Show("acknowledged writes", FigureTable.Number(_recoveries.Sum(r => r.Acknowledged)));
        report.AtMost("lost writes", lost, 0);
        report.AtMost("doubled writes", doubled, 0);
        report.AtMost("failed requests, but for 503", failed, 0);
        report.AtMost("503 with another worker running", Of(another: true).Sum(r => r.Refused), 0);
        report.Show(
            "503 while there was no worker",
            _recoveries.Where(r => !r.Another).Sum(r => r.Refused).ToString(CultureInfo.InvariantCulture)
        );
        report.AtMost("stale reads", stale, 0);
        report.AtMost("slots and publications left", await stage.LeftoversAsync(), 0);
        report.Section("Another worker runs: seconds from the kill", Table(another: true));
        report.Section("Restarted: seconds", Table(another: false));
        await report.WriteAsync(
            $"""
            A process that moves a tenant (shared → database, in the next round database → shared, to the other server) is killed with SIGKILL at
            each place, in {settings.Rounds} rounds, while {settings.Writers} writers and {settings.Readers} readers, each with {settings.Rate} requests a second, use the tenant over a
            host that carries out no operation. Either another host that carries out operations is running, or one is started after the
            kill; it is back when `/health/ready` says so, and takes the move over while it starts. Unserved: the longest time in which no write of the tenant was acknowledged, from the
            kill, or from the worker's return, until the move had ended and 50 writes more. A lease lasts {Lease.TotalSeconds} s, and requests that meet
            held writes wait 5 s before they are answered 503.
            """
        );
        return lost + doubled + failed + stale == 0 ? 0 : 1;
    }

    /// <summary>Until the process that was to be killed is the one that came to the place.</summary>
    private async Task<Recovery> KillAsync(MoveStage stage, string place, bool another, int round)
    {
        while (true)
        {
            if (await TryKillAsync(stage, place, another, round) is { } recovery)
            {
                return recovery;
            }

            _discarded++;
        }
    }

    private async Task<Recovery?> TryKillAsync(MoveStage stage, string place, bool another, int round)
    {
        var (from, to) = round % 2 == 0 ? ("shared", "database") : ("database", "shared");
        using var mover = await StartMoverAsync(stage, place);
        var tenant = await stage.CreateTenantAsync($"mover-{_tenants++}", from);
        using var load = new MoveLoad(stage.Port, tenant, settings.Writers, settings.Readers, settings.Rate);
        load.Start();
        await load.AdvanceAsync(100);
        var move = await stage.BeginMoveAsync(tenant, to, "local-2");
        await ExpectAsync(mover, MoverHost.Begun);
        // Not earlier, else it could be the one that takes the move.
        using var other = another ? await stage.StartWorkerAsync() : null;
        await mover.Input.WriteLineAsync();
        var end = stage.WatchAsync(move, _ => { });
        var reached = ExpectAsync(mover, MoverHost.Reached);
        if (await Task.WhenAny(reached, end) == end)
        {
            // A step that waits for its turn goes back to the queue, and the other worker may be the one that takes it.
            await load.StopAsync();
            mover.Kill();
            return null;
        }

        await reached;
        var killed = Stopwatch.GetTimestamp();
        mover.Kill();
        using var restarted = another ? null : await stage.StartWorkerAsync();
        var back = another ? killed : Stopwatch.GetTimestamp();
        var ended = await end;
        var took = Stopwatch.GetElapsedTime(killed);
        await load.AdvanceAsync(50);
        var until = Stopwatch.GetTimestamp();
        await load.StopAsync();
        var (lost, doubled) = await load.JudgeAsync();
        if (MoveStage.HasSucceeded(ended))
        {
            await stage.FinalizeAsync(ended);
        }

        var answers = load
            .Sent.Where(r => r is { IsWrite: true, IsServed: true })
            .Select(r => r.Until)
            .Order()
            .ToList();
        return new Recovery(
            place,
            another,
            LongestGap(answers, back, until),
            LongestGap(answers, killed, until),
            took.TotalSeconds,
            MoveStage.HasSucceeded(ended),
            load.Acknowledged,
            lost,
            doubled,
            load.Failed,
            load.Refused,
            load.Stale
        );
    }

    private static async Task<ChildProcess> StartMoverAsync(MoveStage stage, string place)
    {
        var mover = ChildProcess.Start(
            ChildProcess.Self,
            ["mover", $"move/{place}"],
            stage.Configuration(0),
            redirectInput: true
        );
        await ExpectAsync(mover, MoverHost.Ready);
        return mover;
    }

    private static async Task ExpectAsync(ChildProcess mover, string word)
    {
        var said = await mover.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(2));
        if (said != word)
        {
            throw new BenchmarkException($"The mover said '{said}' instead of '{word}': {mover.Errors}");
        }
    }

    private static double LongestGap(IEnumerable<long> answers, long from, long until)
    {
        var (longest, last) = (TimeSpan.Zero, from);
        foreach (var answer in answers.Where(a => a > from && a < until).Append(until))
        {
            var gap = Stopwatch.GetElapsedTime(last, answer);
            longest = gap > longest ? gap : longest;
            last = answer;
        }

        return longest.TotalSeconds;
    }

    private IEnumerable<Recovery> Of(bool another) => _recoveries.Where(r => r.Another == another);

    private string Table(bool another)
    {
        var text = new StringBuilder(
            another
                ? "| killed at | unserved, median | longest | move ended after, median | succeeded | taken back |\n|---|---|---|---|---|---|\n"
                : "| killed at | unserved since the worker was back, median | longest | unserved since the kill, median | longest | move ended after, median | succeeded | taken back |\n|---|---|---|---|---|---|---|---|\n"
        );
        foreach (var place in _places)
        {
            var mine = Of(another).Where(r => r.Place == place).ToList();
            text.Append(
                CultureInfo.InvariantCulture,
                $"| `{place}` | {mine.Select(r => r.Unserved).Median():0.00} | {mine.Max(r => r.Unserved):0.00} "
            );
            if (!another)
            {
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"| {mine.Select(r => r.UnservedSinceKill).Median():0.00} | {mine.Max(r => r.UnservedSinceKill):0.00} "
                );
            }

            text.Append(
                CultureInfo.InvariantCulture,
                $"| {mine.Select(r => r.Took).Median():0.00} | {mine.Count(r => r.HasSucceeded)} | {mine.Count(r => !r.HasSucceeded)} |\n"
            );
        }

        return text.ToString();
    }

    /// <summary>What a kill did; times in seconds.</summary>
    private sealed record Recovery(
        string Place,
        bool Another,
        double Unserved,
        double UnservedSinceKill,
        double Took,
        bool HasSucceeded,
        int Acknowledged,
        int Lost,
        int Doubled,
        int Failed,
        int Refused,
        int Stale
    );
}
