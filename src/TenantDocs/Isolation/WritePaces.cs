using System.Collections.Concurrent;
using System.Globalization;
using TenantDocs.Catalog;

namespace TenantDocs.Isolation;

/// <summary>
/// Spaces the writes of a tenant in this process while a move asks for it: its stream of changes has to become faster than
/// the tenant's writers, or the move would never end. For speed only; a process that hears nothing of it writes on.
/// </summary>
public sealed class WritePaces(TimeProvider time)
{
    /// <summary>The longest that one write waits for its turn: more writers than that spacing admits go on all the same.</summary>
    internal static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(150);

    private readonly ConcurrentDictionary<TenantId, Pace> _paces = new();

    /// <summary>How long a pace holds that is not said again.</summary>
    internal static readonly TimeSpan Lasting = TimeSpan.FromSeconds(1);

    /// <summary>What <see cref="Hear"/> understands: tenant and milliseconds.</summary>
    internal static string Say(TenantId tenant, TimeSpan spacing) =>
        string.Create(CultureInfo.InvariantCulture, $"{tenant} {spacing.TotalMilliseconds:0.###}");

    /// <summary>Takes over what another process said; what cannot be read is passed over.</summary>
    internal void Hear(string said)
    {
        if (
            said.Split(' ') is [var id, var milliseconds]
            && Guid.TryParse(id, out var tenant)
            && tenant != Guid.Empty
            && double.TryParse(milliseconds, CultureInfo.InvariantCulture, out var spacing)
            && spacing is >= 0 and < 10_000
        )
        {
            Set(new TenantId(tenant), TimeSpan.FromMilliseconds(spacing));
        }
    }

    /// <summary>From now on the tenant's writes begin that far apart, for <see cref="Lasting"/>: who asked for it may be gone. Zero ends it.</summary>
    /// <param name="tenant">Whose writes.</param>
    /// <param name="spacing">Time from the beginning of one write to that of the next.</param>
    internal void Set(TenantId tenant, TimeSpan spacing)
    {
        if (spacing <= TimeSpan.Zero)
        {
            _paces.TryRemove(tenant, out _);
            return;
        }

        var pace = _paces.GetOrAdd(tenant, static _ => new Pace());
        lock (pace)
        {
            pace.Spacing = spacing;
            pace.Until = time.GetTimestamp() + Ticks(Lasting);
        }
    }

    /// <summary>Waits for a write's turn; as nearly always, that is no wait.</summary>
    internal ValueTask TurnAsync(TenantId tenant, CancellationToken cancellationToken)
    {
        if (!_paces.TryGetValue(tenant, out var pace))
        {
            return ValueTask.CompletedTask;
        }

        TimeSpan wait;
        lock (pace)
        {
            var now = time.GetTimestamp();
            if (now >= pace.Until)
            {
                _paces.TryRemove(new KeyValuePair<TenantId, Pace>(tenant, pace));
                return ValueTask.CompletedTask;
            }

            var turn = Math.Clamp(pace.Next, now, now + Ticks(LongestWait));
            pace.Next = turn + Ticks(pace.Spacing);
            wait = time.GetElapsedTime(now, turn);
        }

        return wait <= TimeSpan.Zero ? ValueTask.CompletedTask : new(Task.Delay(wait, time, cancellationToken));
    }

    private long Ticks(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);

    private sealed class Pace
    {
        public TimeSpan Spacing { get; set; }
        public long Until { get; set; }
        public long Next { get; set; }
    }
}
