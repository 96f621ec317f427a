using Npgsql;
using TenantDocs.Catalog;

namespace TenantDocs.Moves;

/// <summary>
/// Slows a copy down while the source answers late: other tenants come first. Asks the source for next to nothing ten
/// times a second; an answer that takes longer than the limit makes the copy pause.
/// </summary>
internal sealed class CopyPacer : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private readonly CancellationTokenSource _stop = new();
    private readonly TimeProvider _time;
    private readonly TimeSpan _limit;
    private readonly Task _probing;
    private volatile bool _isLate;

    /// <summary>Starts asking.</summary>
    public CopyPacer(MoveConnections connections, Placement source, TimeSpan limit, TimeProvider time)
    {
        _time = time;
        _limit = limit;
        _probing = Task.Run(() => ProbeAsync(connections, source));
    }

    /// <summary>True while the source answers late.</summary>
    public bool IsLate => _isLate;

    /// <summary>Waits a little when the source is late; bounded, so that a copy never stops altogether.</summary>
    public Task PaceAsync(CancellationToken cancellationToken) =>
        _isLate ? Task.Delay(Pause, _time, cancellationToken) : Task.CompletedTask;

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _probing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task ProbeAsync(MoveConnections connections, Placement source)
    {
        await using var connection = await connections.OpenAsync(source, _stop.Token);
        await using var command = new NpgsqlCommand("SELECT 1", connection);
        while (!_stop.IsCancellationRequested)
        {
            var sent = _time.GetTimestamp();
            await command.ExecuteScalarAsync(_stop.Token);
            _isLate = _time.GetElapsedTime(sent) > _limit;
            await Task.Delay(Interval, _time, _stop.Token);
        }
    }
}
