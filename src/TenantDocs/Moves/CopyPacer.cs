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
    private const int BytesPerPause = 512 * 1024;
    private readonly CancellationTokenSource _stop = new();
    private readonly TimeProvider _time;
    private readonly TimeSpan _limit;
    private readonly Task _probing;
    private volatile bool _isLate;
    private int _bytes;

    /// <summary>Starts asking.</summary>
    public CopyPacer(MoveConnections connections, Placement source, TimeSpan limit, TimeProvider time)
    {
        _time = time;
        _limit = limit;
        _probing = Task.Run(() => ProbeAsync(connections, source));
    }

    /// <summary>True while the source answers late.</summary>
    public bool IsLate => _isLate;

    /// <summary>
    /// Waits a little for every so many bytes when the source is late; bounded, so that a copy never stops altogether.
    /// </summary>
    public Task PaceAsync(int bytes, CancellationToken cancellationToken)
    {
        if (!_isLate || Interlocked.Add(ref _bytes, bytes) < BytesPerPause)
        {
            return Task.CompletedTask;
        }

        Interlocked.Exchange(ref _bytes, 0);
        return Task.Delay(Pause, _time, cancellationToken);
    }

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
