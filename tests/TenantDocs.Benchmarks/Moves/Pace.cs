using System.Diagnostics;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>
/// When a client sends: as soon as the last answer is there, or at times fixed beforehand. Who waits for an answer is late
/// for the next time and then sends at once; what is measured from the fixed time so holds what a client that does not
/// wait would have seen (no coordinated omission).
/// </summary>
/// <param name="perSecond">0: as soon as the last answer is there.</param>
/// <param name="place">Where in the interval this client has its times: 0 to 1.</param>
internal sealed class Pace(int perSecond, double place)
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _sent;

    /// <summary>Waits for the next time and returns it; the present where there is none.</summary>
    public async ValueTask<long> NextAsync(CancellationToken stop)
    {
        if (perSecond == 0)
        {
            return Stopwatch.GetTimestamp();
        }

        var at = _start + (long)((_sent++ + place) / perSecond * Stopwatch.Frequency);
        var left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), at);
        if (left > TimeSpan.Zero)
        {
            // Not before the time: a delay is cut to whole milliseconds.
            var rounded = TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds));
            await Task.Delay(rounded, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return at;
    }
}
