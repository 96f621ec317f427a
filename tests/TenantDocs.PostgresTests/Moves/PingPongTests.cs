using System.Diagnostics;
using System.Globalization;
using TenantDocs.Catalog;
using TenantDocs.Moves;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>There, taken back, there again and back, under load: all pairs of places, in an order that a seed decides.</summary>
public sealed class PingPongTests(PostgresFixture postgres, ITestOutputHelper output) : MoveSetting(postgres)
{
    // Fixed, so that what failed fails again; the soak is worth another one now and then.
    private const int FixedSeed = 20_260;

    private static readonly Place[] Places =
    [
        .. Enum.GetValues<IsolationModel>().SelectMany(m => new[] { new Place(m, First), new Place(m, Second) }),
    ];

    private readonly List<double> _pauses = [];
    private readonly HashSet<(Place, Place)> _directions = [];
    private TenantId _tenant;
    private Workload _workload = null!;
    private Place _here = null!;
    private Guid _kept;
    private int _rollbacks;

    [Fact(Explicit = true)]
    public Task A_tenant_goes_there_and_back() => GoAsync(1);

    [Fact(Explicit = true)]
    [Trait("Category", "Soak")]
    public async Task A_tenant_goes_everywhere_and_back_fifty_times()
    {
        await GoAsync(SoakRounds);
        Assert.True(SoakRounds < AllPairs.Count || _directions.Count == 2 * AllPairs.Count, "A direction is missing.");
    }

    // The soak runs where somebody asks for it, by TENANTDOCS_TEST_SOAK=50: it takes a quarter of an hour and more.
    private static int SoakRounds => Number("TENANTDOCS_TEST_SOAK", 1);

    private static List<(Place From, Place To)> AllPairs =>
        [.. Places.SelectMany((from, i) => Places.Skip(i + 1).Select(to => (from, to)))];

    private async Task GoAsync(int rounds)
    {
        var seed = Number("TENANTDOCS_SEED", FixedSeed);
        output.WriteLine($"seed {seed} (TENANTDOCS_SEED)");
        var started = Stopwatch.GetTimestamp();
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        (_tenant, _here) = (tenant.Id, new Place(IsolationModel.Shared, First));
        await using var workload = _workload = new Workload(Platform, tenant.Id).Start(
            writers: 3,
            readers: 2,
            keep: 1_000
        );
        foreach (var ((from, to), round) in Pairs(new Random(seed)).Take(rounds).Select((pair, i) => (pair, i + 1)))
        {
            if (_here != from)
            {
                await GoOnAsync(from);
            }

            var move = await GoOnAsync(to);
            await GoBackAsync(move, from);
            await GoOnAsync(to);
            await GoOnAsync(from);
            await OneHomeAsync(_tenant);
            output.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"round {round}, {from} and {to}: {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s, {workload.Acknowledged} writes, pauses ms {string.Join(' ', _pauses.TakeLast(4))}"
                )
            );
        }

        await workload.AdvanceAsync(20);
        await workload.JudgeAsync();
        await FinalizeAsync(_kept);
        await OneHomeAsync(_tenant);
        await NothingElsewhereAsync(_tenant);
        await NothingLeaksAsync();
        var pauses = _pauses.Order().ToList();
        output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{_pauses.Count} switches, {_rollbacks} of them rollbacks, in {_directions.Count} directions: pause ms p50 {pauses[pauses.Count / 2]}, max {pauses[^1]}; {workload.Acknowledged} writes acknowledged, {workload.Reads} reads, longest {workload.LongestMs:0} ms; {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s"
            )
        );
    }

    private async Task<Guid> GoOnAsync(Place to)
    {
        await _workload.AdvanceAsync(20);
        var move = await MoveAsync(
            await TenantAsync(_tenant),
            new MoveRequest { Isolation = to.Isolation, Server = to.Server }
        );
        Succeeded(move);
        _directions.Add((_here, to));
        _pauses.Add(move.Result!.Value.GetProperty("writePauseMs").GetDouble());
        (_here, _kept) = (to, move.Id);
        return move.Id;
    }

    private async Task GoBackAsync(Guid move, Place from)
    {
        await _workload.AdvanceAsync(20);
        var started = await Moves.RollbackAsync(move, "tests", CancellationToken.None);
        Assert.True(started.Error is null, started.Error?.Detail);
        var rollback = await EndAsync(started.Value.Id);
        Succeeded(rollback);
        _pauses.Add(rollback.Result!.Value.GetProperty("writePauseMs").GetDouble());
        await ClearedAsync(rollback.Id);
        _here = from;
        _rollbacks++;
    }

    // All pairs before any comes again; which end is first is drawn too.
    private static IEnumerable<(Place From, Place To)> Pairs(Random random)
    {
        while (true)
        {
            var pairs = AllPairs.ToArray();
            random.Shuffle(pairs);
            foreach (var (from, to) in pairs)
            {
                yield return random.Next(2) == 0 ? (from, to) : (to, from);
            }
        }
    }

    private static int Number(string variable, int otherwise) =>
        int.TryParse(
            Environment.GetEnvironmentVariable(variable),
            NumberStyles.None,
            CultureInfo.InvariantCulture,
            out var number
        )
            ? number
            : otherwise;

    private sealed record Place(IsolationModel Isolation, string Server)
    {
        public override string ToString() => $"{Isolation} on {Server}";
    }
}
