using System.Diagnostics;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Moves;

/// <summary>
/// Slows the copy and the comparison down while a server of the move commits later than it did before them: other tenants
/// come first. Asks both sides for the smallest durable commit, twenty times a second, so it sees processors and disk as
/// their requests do; each late answer makes the work rest longer after each piece, each answer in time a little shorter
/// (additive increase and decrease, so that about one answer in a hundred is late; where others are at work, it begins with the longest rest). Work that is slow all the same goes on with a
/// third of the time: a move always ends.
/// </summary>
/// <remarks>
/// Late is what takes longer than the limit, and longer than one and a half times what the slowest answer took before the work began:
/// where the clients themselves keep a server busy, resting would help nobody. Nor would it where nobody else is: on a server
/// that commits next to nothing besides, no answer is late.
/// </remarks>
internal sealed class SourcePacer : IAsyncDisposable
{
    private const int ProbesBefore = 8;
    private const double LongestRest = 2;
    private const double Rise = 0.5;
    private const double Fall = 0.005;
    private const double FallAtFirst = 0.05;

    // One in a hundred is late anyhow.
    private const int MaxLateAtFirst = 2;
    private static readonly TimeSpan ShortestRest = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Piece = TimeSpan.FromMilliseconds(2);

    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private Task _probing = Task.CompletedTask;
    private double _rest;
    private int _lateAtFirst = MaxLateAtFirst;

    internal SourcePacer(TimeProvider time) => _time = time;

    /// <summary>True while the work goes slowly.</summary>
    public bool IsResting => Rest > 0.1;

    /// <summary>The longest that an answer may take on any side and be in time.</summary>
    internal TimeSpan Limit { get; private set; }

    /// <summary>How many answers were taken into account.</summary>
    internal long Answers { get; private set; }

    /// <summary>Rest per work, 0 to 2.</summary>
    internal double Rest
    {
        get
        {
            lock (_lock)
            {
                return _rest;
            }
        }
    }

    /// <summary>Looks how fast the servers answer (for a third of a second), and goes on looking until disposed.</summary>
    /// <param name="connections">Opens one connection per side.</param>
    /// <param name="places">The sides.</param>
    /// <param name="catalog">The platform's own database, whose transactions are nobody's work.</param>
    /// <param name="limit">An answer that takes no longer is never late.</param>
    /// <param name="time">For the intervals.</param>
    /// <param name="cancellationToken">Ends the first look.</param>
    public static async Task<SourcePacer> StartAsync(
        MoveConnections connections,
        IReadOnlyList<Placement> places,
        string catalog,
        TimeSpan limit,
        TimeProvider time,
        CancellationToken cancellationToken
    )
    {
        var pacer = new SourcePacer(time);
        var starting = places
            .DistinctBy(p => p.Server)
            .Select(p => Probe.StartAsync(connections, p, catalog, limit, time, cancellationToken))
            .ToList();
        try
        {
            var probes = await Task.WhenAll(starting);
            pacer.Limit = probes.Max(p => p.Limit);
            if (probes.Any(p => p.WasBusy))
            {
                pacer.BeginSlowly();
            }

            pacer._probing = Task.WhenAll(probes.Select(p => pacer.WatchAsync(p, probes)));
            return pacer;
        }
        catch
        {
            foreach (var started in starting.Where(s => s.IsCompletedSuccessfully))
            {
                await (await started).DisposeAsync();
            }

            throw;
        }
    }

    /// <summary>Rests after a piece of work; returns when the next one began. Called as often as is convenient.</summary>
    /// <param name="since">When the piece began (<see cref="Stopwatch.GetTimestamp"/>).</param>
    /// <param name="cancellationToken">Ends the rest.</param>
    public async ValueTask<long> RestAsync(long since, CancellationToken cancellationToken)
    {
        var worked = Stopwatch.GetElapsedTime(since);
        if (worked < Piece)
        {
            return since;
        }

        var rest = worked * Rest;
        if (rest > TimeSpan.Zero && rest < ShortestRest)
        {
            return since; // a timer knows no shorter one: it is gathered
        }

        if (rest > TimeSpan.Zero)
        {
            await Task.Delay(rest, _time, cancellationToken);
        }

        return Stopwatch.GetTimestamp();
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _probing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    /// <summary>Takes an answer into account.</summary>
    internal void Answered(bool late)
    {
        lock (_lock)
        {
            Answers++;
            _lateAtFirst += late ? 1 : 0;
            _rest = late
                ? Math.Min(LongestRest, _rest + Rise)
                : Math.Max(0, _rest - (_lateAtFirst < MaxLateAtFirst ? FallAtFirst : Fall));
        }
    }

    /// <summary>Rests as long as it may until it is known that it need not: after forty answers of which at most one was late.</summary>
    internal void BeginSlowly()
    {
        lock (_lock)
        {
            (_rest, _lateAtFirst) = (LongestRest, 0);
        }
    }

    // A side that does not answer at all is the work's own trouble: it has a connection there too.
    private async Task WatchAsync(Probe probe, IReadOnlyList<Probe> all)
    {
        await using (probe)
        {
            try
            {
                while (!_stop.IsCancellationRequested)
                {
                    Answered(await probe.AskAsync(_stop.Token) > probe.Limit && probe.IsShared);
                    if (!all.Any(p => p.IsShared))
                    {
                        EndResting(); // that began before it was known that nobody is there
                    }

                    await Task.Delay(Interval, _time, _stop.Token);
                }
            }
            finally
            {
                EndResting(); // nobody would lower it any more
            }
        }
    }

    private void EndResting()
    {
        lock (_lock)
        {
            _rest = 0;
        }
    }

    private sealed class Probe(NpgsqlConnection connection, string catalog, TimeSpan limit) : IAsyncDisposable
    {
        // The least that a commit can write and wait for: it sees the disk as other tenants' commits do.
        private const string CommitSql = "SELECT pg_logical_emit_message(true, 'tenantdocs-pace', '')";

        private const string TransactionsSql =
            "SELECT sum(xact_commit + xact_rollback)::bigint FROM pg_stat_database WHERE datname <> $1";

        // The requests of some clients are more; what PostgreSQL and another move do by themselves is less: heartbeats of its
        // stream and of what is kept of it, and a pacer of its own.
        private const double FewPerSecond = 50;
        private static readonly TimeSpan Window = TimeSpan.FromSeconds(2);
        private static readonly TimeSpan ShortestWindow = TimeSpan.FromSeconds(0.3);

        private long _windowStart;
        private long _transactions;
        private int _own;

        public TimeSpan Limit { get; private set; } = limit;

        /// <summary>Whether the server does anybody else's work; true until that is known.</summary>
        public bool IsShared { get; private set; } = true;

        /// <summary>Whether others were seen at work while it was first asked.</summary>
        public bool WasBusy { get; private set; }

        public static async Task<Probe> StartAsync(
            MoveConnections connections,
            Placement place,
            string catalog,
            TimeSpan limit,
            TimeProvider time,
            CancellationToken cancellationToken
        )
        {
            var probe = new Probe(await connections.OpenAsync(place, cancellationToken), catalog, limit);
            try
            {
                for (var i = 0; i < ProbesBefore; i++)
                {
                    var more = 1.5 * await probe.AskAsync(cancellationToken);
                    probe.Limit = more > probe.Limit ? more : probe.Limit;
                    await Task.Delay(Interval, time, cancellationToken);
                }

                probe.WasBusy = await probe.CountAsync(cancellationToken) > FewPerSecond;
                return probe;
            }
            catch
            {
                await probe.DisposeAsync();
                throw;
            }
        }

        public async Task<TimeSpan> AskAsync(CancellationToken cancellationToken)
        {
            var sent = Stopwatch.GetTimestamp();
            await using var command = new NpgsqlCommand(CommitSql, connection);
            await command.ExecuteScalarAsync(cancellationToken);
            var took = Stopwatch.GetElapsedTime(sent);
            _own++;
            if (Stopwatch.GetElapsedTime(_windowStart) > Window)
            {
                var others = await CountAsync(cancellationToken);
                IsShared = others is null ? IsShared : others > FewPerSecond;
            }

            return took;
        }

        // What others did since it was asked last, per second; null where that cannot be said. Backends report what they did once
        // a second, this one too.
        private async Task<double?> CountAsync(CancellationToken cancellationToken)
        {
            await using var command = new NpgsqlCommand(TransactionsSql, connection);
            command.Parameters.Add(SqlValue.Of(catalog));
            var transactions = (long)(await command.ExecuteScalarAsync(cancellationToken))!;
            var others = transactions - _transactions - _own;
            var passed = Stopwatch.GetElapsedTime(_windowStart);
            // The count of a database goes with it.
            double? rate =
                _windowStart > 0 && passed >= ShortestWindow && others >= -_own ? others / passed.TotalSeconds : null;
            (_windowStart, _transactions, _own) = (Stopwatch.GetTimestamp(), transactions, 1);
            return rate;
        }

        public ValueTask DisposeAsync() => connection.DisposeAsync();
    }
}
