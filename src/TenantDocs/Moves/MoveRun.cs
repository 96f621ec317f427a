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
internal sealed class MoveRun : IAsyncDisposable
{
    private readonly MoveOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Barrier _barrier;
    private readonly ChangeComparison _comparison;
    private NpgsqlConnection? _source;
    private NpgsqlConnection? _target;
    private MoveLink? _link;

    private MoveRun(
        MoveLeg leg,
        long token,
        MoveConnections connections,
        IReadOnlyList<MoveTable> sourceTables,
        IReadOnlyList<MoveTable> targetTables,
        MoveOptions options,
        TimeProvider time,
        ILogger logger
    )
    {
        Leg = leg;
        Token = token;
        Connections = connections;
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

    public MoveConnections Connections { get; }

    public IReadOnlyList<MoveTable> SourceTables { get; }

    public IReadOnlyList<MoveTable> TargetTables { get; }

    public Barrier Barrier => _barrier;

    /// <summary>Whether the target was found equal to the source, in this process.</summary>
    public bool IsVerified { get; private set; }

    /// <summary>Whether the stream ended for good.</summary>
    public bool HasFaulted => _link is { Faulted.IsCompleted: true };

    /// <summary>When the current attempt to hold writes began.</summary>
    public long FencedAt { get; set; }

    /// <summary>Takes the leg over from whoever had it, and reads both sides' tables.</summary>
    public static async Task<MoveRun> TakeAsync(
        MoveLeg leg,
        long leaseToken,
        ServerConnections servers,
        MoveOptions options,
        TimeProvider time,
        ILogger logger,
        CancellationToken cancellationToken
    )
    {
        var connections = new MoveConnections(servers, leg.Link);
        await connections.EndOthersAsync(leg.Source, cancellationToken);
        await connections.EndOthersAsync(leg.Target, cancellationToken);
        await using var source = await connections.OpenAsync(leg.Source, cancellationToken);
        await using var target = await connections.OpenAsync(leg.Target, cancellationToken);
        var sourceTables = await MoveTables.ReadAsync(source, leg.Source.Schema, cancellationToken);
        var targetTables = await MoveTables.ReadAsync(target, leg.Target.Schema, cancellationToken);
        MoveTables.EnsureEqual(sourceTables, targetTables);
        var token = leg.TokenBase + leaseToken;
        await new ChangeApplier(target, leg.TenantId, leg.Link, token).TakeAsync(cancellationToken);
        return new MoveRun(leg, token, connections, sourceTables, targetTables, options, time, logger);
    }

    /// <summary>The stream, started at that marker when it does not run yet.</summary>
    public MoveLink Follow(Guid start) =>
        _link ??= new MoveLink(Connections, Leg.Spec, TargetTables, start, Token, _logger);

    /// <summary>The running stream.</summary>
    public MoveLink Link => _link ?? throw new InvalidOperationException("The stream does not run.");

    /// <summary>Waits until the target lags so little that holding writes would be short.</summary>
    public async Task CatchUpAsync(Func<Task> report, CancellationToken cancellationToken)
    {
        var good = TimeSpan.FromMilliseconds(Math.Max(50, Leg.MaxPauseMs / 2));
        while (Link.Lag > good)
        {
            await Task.WhenAny(Link.Faulted, Task.Delay(TimeSpan.FromMilliseconds(50), _time, cancellationToken));
            if (Link.Faulted.IsCompleted)
            {
                await Link.Faulted;
            }

            cancellationToken.ThrowIfCancellationRequested();
            await report();
        }
    }

    /// <summary>Compares all of both sides as they are at one marker.</summary>
    public async Task<IReadOnlyList<TableVerification>> VerifyAsync(
        Func<int, Task> report,
        CancellationToken cancellationToken
    )
    {
        await using var sides = await AtMarkerAsync(cancellationToken);
        return await CompareAllAsync(sides.Source, sides.Target, report, cancellationToken);
    }

    /// <summary>Whether so little changed since both sides were last found equal that it can be compared in the pause.</summary>
    public bool IsNarrow => Link.Dirty.Count <= Math.Max(10, _options.MaxChangedKeysInPause / 4);

    /// <summary>
    /// Compares what changed since both sides were last found equal, until so little changes between two comparisons that
    /// the rest fits into the pause.
    /// </summary>
    public async Task NarrowAsync(CancellationToken cancellationToken)
    {
        for (var round = 0; round < 20 && (round == 0 || !IsNarrow); round++)
        {
            await using var sides = await AtMarkerAsync(cancellationToken);
            Fail(
                await _comparison.CompareAsync(
                    sides.Source.Connection,
                    sides.Target.Connection,
                    sides.Keys,
                    cancellationToken
                )
            );
        }
    }

    /// <summary>Compares what changed since, while writes are held and the stream is drained.</summary>
    public async Task CompareHeldAsync(CancellationToken cancellationToken)
    {
        var keys = Link.Dirty;
        if (keys.Count > _options.MaxChangedKeysInPause)
        {
            // Its own word, not the clock's: the writers were faster than the rounds that narrow the rest down.
            throw new PauseExceededException($"{keys.Count} rows that changed last were compared", null);
        }

        Fail(await _comparison.CompareAsync(_source!, _target!, keys, cancellationToken));
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
            await _comparison.CompareAsync(source, target, Link.Dirty, cancellationToken, ignoreResult: true);
        }

        return (source, target);
    }

    /// <summary>Opens one connection to each side.</summary>
    public async Task<(NpgsqlConnection Source, NpgsqlConnection Target)> OpenPairAsync(
        CancellationToken cancellationToken
    )
    {
        _source ??= await Connections.OpenAsync(Leg.Source, cancellationToken);
        _target ??= await Connections.OpenAsync(Leg.Target, cancellationToken);
        return Pair;
    }

    /// <summary>A snapshot of a side that nobody writes to.</summary>
    public async Task<BarrierSnapshot> SnapshotAsync(Placement place, CancellationToken cancellationToken)
    {
        var connection = await Connections.OpenAsync(place, cancellationToken);
        return new BarrierSnapshot(place, connection, await Barrier.ExportAsync(connection, cancellationToken));
    }

    /// <summary>Compares all of both sides while writes are held.</summary>
    public async Task<IReadOnlyList<TableVerification>> VerifyHeldAsync(CancellationToken cancellationToken)
    {
        await using var source = await SnapshotAsync(Leg.Source, cancellationToken);
        await using var target = await SnapshotAsync(Leg.Target, cancellationToken);
        return await CompareAllAsync(source, target, _ => Task.CompletedTask, cancellationToken);
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
        await reached.WaitAsync(cancellationToken);
        return Stopwatch.GetElapsedTime(sent);
    }

    /// <summary>Ends the stream.</summary>
    public async Task StopAsync()
    {
        if (_link is { } link)
        {
            _link = null;
            await link.DisposeAsync();
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        foreach (var connection in new[] { _source, _target })
        {
            if (connection is not null)
            {
                await connection.DisposeAsync();
            }
        }
    }

    private async Task<BothSides> AtMarkerAsync(CancellationToken cancellationToken)
    {
        var marker = Guid.NewGuid();
        using var pause = Link.PauseAt(marker);
        var target = await Connections.OpenAsync(Leg.Target, cancellationToken);
        BarrierSnapshot? source = null;
        try
        {
            source = await _barrier.TakeAsync(Leg.Source, Leg.TenantId, marker, _options.Patience, cancellationToken);
            await pause.Stopped.WaitAsync(cancellationToken);
            var snapshot = await Barrier.ExportAsync(target, cancellationToken);
            return new BothSides(source, new BarrierSnapshot(Leg.Target, target, snapshot), pause.Keys);
        }
        catch
        {
            await target.DisposeAsync();
            if (source is not null)
            {
                await source.DisposeAsync();
            }

            throw;
        }
    }

    private async Task<IReadOnlyList<TableVerification>> CompareAllAsync(
        BarrierSnapshot source,
        BarrierSnapshot target,
        Func<int, Task> report,
        CancellationToken cancellationToken
    )
    {
        var found = await ContentVerifier.CompareAsync(
            source.Connection,
            SourceTables,
            target.Connection,
            TargetTables,
            Leg.TenantId,
            exclusive: Leg.Target.Isolation is not IsolationModel.Shared,
            report,
            cancellationToken
        );
        IsVerified = found.All(t => t.Equal);
        return found;
    }

    private static void Fail(IReadOnlyList<string> differences)
    {
        if (differences.Count > 0)
        {
            throw new MoveFaultException($"The target differs from the source: {string.Join("; ", differences)}.");
        }
    }

    private sealed record BothSides(BarrierSnapshot Source, BarrierSnapshot Target, DirtyKeys Keys) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Source.DisposeAsync();
            await Target.DisposeAsync();
        }
    }
}

/// <summary>The runs of this process, by operation.</summary>
internal sealed class MoveRuns
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<Guid, MoveRun> _runs = new();

    /// <summary>The run of this operation's lease, or a new one.</summary>
    public async Task<MoveRun> ObtainAsync(OperationContext context, MoveLeg leg, Func<long, Task<MoveRun>> take)
    {
        var token = leg.TokenBase + context.Operation.LeaseToken;
        if (_runs.TryGetValue(context.Operation.Id, out var run))
        {
            if (run.Token == token && !(run.HasFaulted))
            {
                return run;
            }

            await ReleaseAsync(context.Operation.Id);
        }

        run = await take(context.Operation.LeaseToken);
        _runs[context.Operation.Id] = run;
        return run;
    }

    /// <summary>The run of an operation, when this process has one.</summary>
    public MoveRun? Find(Guid operation) => _runs.GetValueOrDefault(operation);

    /// <summary>Lets go of everything that a run holds.</summary>
    public async Task ReleaseAsync(Guid operation)
    {
        if (_runs.TryRemove(operation, out var run))
        {
            await run.DisposeAsync();
        }
    }
}
