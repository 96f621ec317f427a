using System.Diagnostics;

namespace TenantDocs.Moves;

/// <summary>
/// How far a stream's target is behind its source. While it is short, the way of the last heartbeat; while it is long, the age
/// of what arrives now. Safe for concurrent use.
/// </summary>
internal sealed class StreamLag
{
    private readonly Lock _lock = new();
    private readonly Queue<(Guid Marker, long Sent)> _sent = new();
    private TimeSpan _beat = TimeSpan.MaxValue;
    private long _clockRead;
    private DateTime _clock;
    private DateTime _reached;

    /// <summary>The lag; maximal before anything is known.</summary>
    public TimeSpan Current
    {
        get
        {
            lock (_lock)
            {
                var waiting = _sent.TryPeek(out var oldest) ? Stopwatch.GetElapsedTime(oldest.Sent) : TimeSpan.Zero;
                if (waiting <= _beat && _beat < TimeSpan.MaxValue)
                {
                    return _beat;
                }

                if (_reached == default || _clock == default)
                {
                    return TimeSpan.MaxValue;
                }

                var age = _clock + Stopwatch.GetElapsedTime(_clockRead) - _reached;
                return age > waiting ? age : waiting;
            }
        }
    }

    /// <summary>Notes the source's clock, by which commits are dated.</summary>
    public void Set(DateTime clock)
    {
        lock (_lock)
        {
            (_clock, _clockRead) = (clock, Stopwatch.GetTimestamp());
        }
    }

    /// <summary>A heartbeat, to be written to the source at once.</summary>
    public Guid Send()
    {
        lock (_lock)
        {
            var marker = Guid.NewGuid();
            _sent.Enqueue((marker, Stopwatch.GetTimestamp()));
            return marker;
        }
    }

    /// <summary>A transaction arrived that was committed then.</summary>
    public void Reach(DateTime committedAt)
    {
        lock (_lock)
        {
            _reached = committedAt;
        }
    }

    /// <summary>A marker arrived, perhaps a heartbeat.</summary>
    /// <param name="marker">Its identity.</param>
    /// <param name="counts">False where the stream is still before its start: all that was sent until then is on the target by the copy.</param>
    public void Reach(Guid marker, bool counts)
    {
        lock (_lock)
        {
            if (!_sent.Any(s => s.Marker == marker))
            {
                return;
            }

            // Those before it were lost with a connection.
            while (_sent.TryDequeue(out var beat))
            {
                if (beat.Marker == marker)
                {
                    _beat = counts ? Stopwatch.GetElapsedTime(beat.Sent) : _beat;
                    return;
                }
            }
        }
    }
}
