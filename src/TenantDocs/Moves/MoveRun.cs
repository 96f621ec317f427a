using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>
/// What one process holds of one leg: the running stream, what was verified, the connections that are open before the
/// pause. Nothing of it is needed by another process: each step asks for what it needs, and what is not there is made.
/// </summary>
internal sealed partial class MoveRun : IAsyncDisposable
{
    private const int MaxDifferences = 20;
    private const int FewKeys = 40;
    private const int MaxRounds = 50;
    private const int CommitSeconds = 5;
    private readonly MoveOptions _options;
    private readonly Func<string, CancellationToken, ValueTask> _reach;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Barrier _barrier;
    private readonly ChangeComparison _comparison;
    private NpgsqlConnection? _source;
    private NpgsqlConnection? _target;
    private readonly CatalogDatabase _catalog;
    private MoveLink? _link;
    private Task? _leaving;
    private WriterPacer? _pacer;

    private MoveRun(
        MoveLeg leg,
        long token,
        MoveConnections connections,
        CatalogDatabase catalog,
        IReadOnlyList<MoveTable> sourceTables,
        IReadOnlyList<MoveTable> targetTables,
        MoveOptions options,
        Func<string, CancellationToken, ValueTask> reach,
        TimeProvider time,
        ILogger logger
    )
    {
        _reach = reach;
        Leg = leg;
        Token = token;
        Connections = connections;
        _catalog = catalog;
        SourceTables = sourceTables;
        TargetTables = targetTables;
        _options = options;
        _time = time;
        _logger = logger;
        _barrier = new Barrier(connections, time);
        _comparison = new ChangeComparison(sourceTables, targetTables);
    }

    public MoveLeg Leg { get; }

    public long Token { get; }

    /// <summary>Of the lease under which it was taken.</summary>
    public long LeaseToken => Token - Leg.TokenBase;

    public MoveConnections Connections { get; }

    public IReadOnlyList<MoveTable> SourceTables { get; }

    public IReadOnlyList<MoveTable> TargetTables { get; }

    public Barrier Barrier => _barrier;

    /// <summary>Whether the target was found equal to the source, in this process.</summary>
    public bool IsVerified { get; private set; }

    /// <summary>When that was.</summary>
    public long VerifiedAt { get; private set; }

    /// <summary>Whether the stream ended for good.</summary>
    public bool HasFaulted => _link is { Faulted.IsCompleted: true };

    /// <summary>When the current attempt to hold writes began.</summary>
    public long FencedAt { get; set; }

    /// <summary>When both sides were found equal in the pause.</summary>
    public long ComparedAt { get; set; }

    /// <summary>Before the tenant's requests of this process, around the pause.</summary>
    public TenantDoor? Door { get; set; }

    /// <summary>Where the switch is written to the catalog.</summary>
    public EarlyCompletion? Completion { get; set; }

    /// <summary>Takes the leg over from whoever had it, and reads both sides' tables.</summary>
    public static async Task<MoveRun> TakeAsync(
        MoveLeg leg,
        long leaseToken,
        ServerConnections servers,
        CatalogDatabase catalog,
        MoveOptions options,
        Func<string, CancellationToken, ValueTask> reach,
        TimeProvider time,
        ILogger logger,
        CancellationToken cancellationToken
    )
    {
        var connections = new MoveConnections(servers, leg.Link, options.SilenceLimit);
        await connections.EndOthersAsync(leg.Source, cancellationToken);
        await connections.EndOthersAsync(leg.Target, cancellationToken);
        await using var source = await connections.OpenAsync(leg.Source, cancellationToken);
        await using var target = await connections.OpenAsync(leg.Target, cancellationToken);
        var sourceTables = await MoveTables.ReadAsync(source, leg.Source.Schema, cancellationToken);
        var targetTables = await MoveTables.ReadAsync(target, leg.Target.Schema, cancellationToken);
        MoveTables.EnsureEqual(sourceTables, targetTables);
        var token = leg.TokenBase + leaseToken;
        await new ChangeApplier(target, leg.TenantId, leg.Link, token).TakeAsync(cancellationToken);
        return new MoveRun(leg, token, connections, catalog, sourceTables, targetTables, options, reach, time, logger);
    }

    /// <summary>The stream, started at that marker when it does not run yet.</summary>
    public MoveLink Follow(Guid start) =>
        _link ??= new MoveLink(Connections, Leg.Spec, TargetTables, start, Token, _reach, _logger);

    /// <summary>From now on the tenant's writers are spaced while they are faster than the stream.</summary>
    public void PaceWriters(WritePaces paces) =>
        _pacer ??= new WriterPacer(Leg.TenantId, Link, paces, _catalog, _time, _logger);

    /// <summary>From now on they are spaced until the lag is as short as the pause is to be.</summary>
    public void ShortenLag() => _pacer?.Shorten();

    /// <summary>Lets the writers of this process come as fast as they like; they are held now.</summary>
    public void ReleaseWriters() => _pacer?.Release();

    /// <summary>Lets writers come as fast as they like.</summary>
    public async Task UnpaceWritersAsync()
    {
        if (_pacer is { } pacer)
        {
            _pacer = null;
            await pacer.DisposeAsync();
        }
    }

    /// <summary>The running stream.</summary>
    public MoveLink Link => _link ?? throw new InvalidOperationException("The stream does not run.");

    /// <summary>Waits until the target lags so little that holding writes would be short.</summary>
    public async Task CatchUpAsync(Func<Task> report, CancellationToken cancellationToken)
    {
        var good = TimeSpan.FromMilliseconds(Math.Max(100, Leg.MaxPauseMs / 2));
        var (least, changes, since) = (TimeSpan.MaxValue, 0L, _time.GetTimestamp());
        while (Link.Lag > good)
        {
            await Task.WhenAny(Link.Faulted, Task.Delay(TimeSpan.FromMilliseconds(50), _time, cancellationToken));
            if (Link.Faulted.IsCompleted)
            {
                await Link.Faulted;
            }

            cancellationToken.ThrowIfCancellationRequested();
            // Before the first heartbeat has arrived, changes that arrive are progress.
            if (Link.Lag < least || (Link.Lag == TimeSpan.MaxValue && Link.Changes > changes))
            {
                (least, changes, since) = (Link.Lag, Link.Changes, _time.GetTimestamp());
            }
            else if (_time.GetElapsedTime(since) > _options.Patience)
            {
                throw new TimeoutException("The stream of changes does not catch up with the writers.");
            }

            await report();
        }
    }

    /// <summary>Makes sure that the tables of both sides are still those that are followed and compared.</summary>
    /// <exception cref="MoveFaultException">A migration ran meanwhile: what it added was never copied.</exception>
    public async Task EnsureSameTablesAsync(CancellationToken cancellationToken)
    {
        var (source, target) = await OpenPairAsync(cancellationToken);
        var left = MoveTables.ReadAsync(source, Leg.Source.Schema, cancellationToken);
        var right = MoveTables.ReadAsync(target, Leg.Target.Schema, cancellationToken);
        await Task.WhenAll(left, right);
        MoveTables.EnsureEqual(await left, SourceTables);
        MoveTables.EnsureEqual(await right, TargetTables);
    }

    /// <summary>
    /// Compares what changed since both sides were last found equal, while both are written to, until little is left:
    /// the rest is compared in the pause. Holds up nobody.
    /// </summary>
    /// <remarks>
    /// A key is let go when its row is the same on both sides. A change that the source's row had then and the target's
    /// had not is applied later, and notes the key again; so does every change after it. What differs goes back.
    /// </remarks>
    public async Task NarrowAsync(CancellationToken cancellationToken)
    {
        var (source, target) = await OpenPairAsync(cancellationToken);
        for (var round = 0; round < MaxRounds && (round == 0 || Link.Dirty.Count > FewKeys); round++)
        {
            var keys = Link.Dirty.Take();
            try
            {
                var differing = await _comparison.CompareAsync(source, target, keys, cancellationToken);
                Link.Dirty.Add(differing);
            }
            catch
            {
                // Not compared: they stay to be.
                Link.Dirty.Add(keys);
                throw;
            }
        }
    }

    /// <summary>
    /// Compares what changed since, while writes are held and the stream is drained. Leaves a transaction open on each
    /// side, in which the source closes and the target opens.
    /// </summary>
    public async Task CompareHeldAsync(string access, Guid? marker, CancellationToken cancellationToken)
    {
        var keys = Link.Dirty.Read();
        if (keys.Count > _options.MaxChangedKeysInPause)
        {
            // Its own word, not the clock's: the writers were faster than the rounds that narrow the rest down.
            throw new PauseExceededException($"{keys.Count} rows that changed last were compared", null);
        }

        var ends = MoveFence.Ends(Leg, access, marker);
        var differing = await _comparison.CompareAsync(_source!, _target!, keys, cancellationToken, ends);
        if (differing.Count > 0)
        {
            throw new MoveFaultException(
                $"The target differs from the source: {string.Join("; ", differing.Take(MaxDifferences))}."
            );
        }
    }

    /// <summary>
    /// Closes the source, while the catalog commits the move. Whoever gives the move up instead opens the source again
    /// (<c>reopen</c> takes it back from there); until then its reads wait as its writes do.
    /// </summary>
    public void BeginLeaving() => _leaving = EndAsync(_source!);

    /// <summary>Whether the source is closing, and the target waits to open.</summary>
    public bool IsLeaving => _leaving is not null;

    /// <summary>Waits until the source has closed.</summary>
    public Task LeaveAsync() => _leaving ?? throw new InvalidOperationException("The source was not closed.");

    /// <summary>Opens the target.</summary>
    public Task ArriveAsync() => EndAsync(_target!);

    /// <summary>Returns when the target's opening survives a crash.</summary>
    public Task FlushArrivalAsync(CancellationToken cancellationToken) =>
        MoveFence.FlushAsync(_target!, cancellationToken);

    /// <summary>Lets go of what a pause that was given up holds.</summary>
    public async Task ReleasePauseAsync()
    {
        Door?.Dispose();
        if (Completion is { } completion)
        {
            await completion.RollbackAsync();
        }

        await CloseAsync();
    }

    /// <summary>Opens what the pause will use, and runs each statement once, so that nothing in it is slow for being the first.</summary>
    public async Task<(NpgsqlConnection Source, NpgsqlConnection Target)> OpenForPauseAsync(
        CancellationToken cancellationToken
    )
    {
        var (source, target) = await OpenPairAsync(cancellationToken);
        for (var i = 0; i < 3; i++)
        {
            await MoveFence.RehearseAsync(source, target, Leg, cancellationToken);
            await MoveFence.ReadAsync(source, Leg.TenantId, cancellationToken);
            await MoveFence.ReadAsync(target, Leg.TenantId, cancellationToken);
            await _comparison.CompareAsync(source, target, Link.Dirty.Read(), cancellationToken);
            await EndAsync(source);
            await EndAsync(target);
        }

        return (source, target);
    }

    /// <summary>Opens one connection to each side.</summary>
    public async Task<(NpgsqlConnection Source, NpgsqlConnection Target)> OpenPairAsync(
        CancellationToken cancellationToken
    )
    {
        _source = await OpenAsync(_source, Leg.Source, cancellationToken);
        _target = await OpenAsync(_target, Leg.Target, cancellationToken);
        return Pair;
    }

    /// <summary>The connections that the pause uses.</summary>
    public (NpgsqlConnection Source, NpgsqlConnection Target) Pair => (_source!, _target!);

    /// <summary>The way of a marker from the source to the target, as fast as the pause would see it.</summary>
    public async Task<TimeSpan> SendCanaryAsync(CancellationToken cancellationToken)
    {
        var marker = Guid.NewGuid();
        var reached = Link.Await(marker);
        var sent = Stopwatch.GetTimestamp();
        await Marker.EmitAsync(_source!, marker, cancellationToken);
        await ArriveAsync(reached, cancellationToken);
        return Stopwatch.GetElapsedTime(sent);
    }

    /// <summary>Waits for a marker at most for as long as a move is patient.</summary>
    private async Task ArriveAsync(Task marker, CancellationToken cancellationToken)
    {
        try
        {
            await marker.WaitAsync(_options.Patience, cancellationToken);
        }
        catch (TimeoutException e) when (!marker.IsFaulted)
        {
            throw new TimeoutException("The stream of changes stands still.", e);
        }
    }

    /// <summary>Ends the stream.</summary>
    public async Task StopAsync()
    {
        await UnpaceWritersAsync();
        if (_link is { } link)
        {
            _link = null;
            await link.DisposeAsync();
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        Door?.Dispose();
        await StopAsync();
        await CloseAsync();
        if (Completion is { } completion)
        {
            await completion.DisposeAsync();
        }
    }

    private async Task CloseAsync()
    {
        await (_leaving ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var connection in new[] { _source, _target })
        {
            if (connection is not null)
            {
                await connection.DisposeAsync();
            }
        }

        (_source, _target, _leaving) = (null, null, null);
    }

    // Nobody serves the tenant until it is answered: a server that does not answer is asked anew, over another connection.
    private static async Task EndAsync(NpgsqlConnection connection)
    {
        await using var commit = new NpgsqlCommand("COMMIT", connection) { CommandTimeout = CommitSeconds };
        await commit.ExecuteNonQueryAsync();
    }

    // A server that was restarted meanwhile has left a broken one.
    private async Task<NpgsqlConnection> OpenAsync(
        NpgsqlConnection? known,
        Placement place,
        CancellationToken cancellationToken
    )
    {
        if (known is { State: System.Data.ConnectionState.Open })
        {
            return known;
        }

        if (known is not null)
        {
            await known.DisposeAsync();
        }

        return await Connections.OpenAsync(place, cancellationToken);
    }
}
