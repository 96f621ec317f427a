using System.Diagnostics;
using TenantDocs.Catalog;

namespace TenantDocs.Moves;

/// <summary>The comparison of all rows of both sides.</summary>
internal sealed partial class MoveRun
{
    /// <summary>Lets work on both sides rest while their servers answer late.</summary>
    public Task<SourcePacer> PaceAsync(CancellationToken cancellationToken) =>
        SourcePacer.StartAsync(
            Connections,
            [Leg.Source, Leg.Target],
            _catalog.Name,
            _options.SourceLatencyLimit,
            _time,
            cancellationToken
        );

    /// <summary>Compares all of both sides as they are at one marker.</summary>
    /// <param name="report">Called with the rows compared so far.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<IReadOnlyList<TableVerification>> VerifyAsync(
        Func<long, Task> report,
        CancellationToken cancellationToken
    )
    {
        await using var pacer = await PaceAsync(cancellationToken);
        await using var sides = await AtMarkerAsync(cancellationToken);
        return await CompareAllAsync(sides.Source, sides.Target, pacer, report, cancellationToken);
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
        return await CompareAllAsync(source, target, pacer: null, _ => Task.CompletedTask, cancellationToken);
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
            await ArriveAsync(pause.Stopped, cancellationToken);
            var snapshot = await Barrier.ExportAsync(target, cancellationToken);
            return new BothSides(source, new BarrierSnapshot(Leg.Target, target, snapshot));
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
        SourcePacer? pacer,
        Func<long, Task> report,
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
            pacer,
            report,
            cancellationToken
        );
        IsVerified = found.All(t => t.Equal);
        VerifiedAt = Stopwatch.GetTimestamp();
        return found;
    }

    private sealed record BothSides(BarrierSnapshot Source, BarrierSnapshot Target) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Source.DisposeAsync();
            await Target.DisposeAsync();
        }
    }
}
