using Microsoft.Extensions.Logging;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Moves;

/// <summary>
/// Spaces the tenant's own writers, in all processes, while they are faster than the stream of changes: applying a change
/// costs about what writing it did, and on a busy machine four writers get four times the one applier's share of it.
/// </summary>
/// <remarks>
/// Additive increase and multiplicative decrease (Chiu and Jain 1989), of the time between two writes. Nothing is spaced while
/// the lag falls by at least half of the time that passes.
/// </remarks>
internal sealed class WriterPacer : IAsyncDisposable
{
    /// <summary>The most that it asks for: 40 writes a second in each process.</summary>
    internal static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(25);

    /// <summary>
    /// A lag that needs no spacing while there is time. A stream that only ever lags this much keeps up: spacing would make the
    /// tenant's requests queue for nothing.
    /// </summary>
    internal static readonly TimeSpan Enough = TimeSpan.FromMilliseconds(100);

    /// <summary>A lag that needs none before the switch: writes are held for what is left of it.</summary>
    internal static readonly TimeSpan Short = TimeSpan.FromMilliseconds(8);

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(0.5);
    private readonly CancellationTokenSource _stop = new();
    private readonly WritePaces _paces;
    private readonly CatalogDatabase _catalog;
    private readonly ILogger _logger;
    private readonly TenantId _tenant;
    private readonly Task _pacing;
    private volatile bool _isShort;

    /// <summary>Starts to watch the stream.</summary>
    public WriterPacer(
        TenantId tenant,
        MoveLink link,
        WritePaces paces,
        CatalogDatabase catalog,
        TimeProvider time,
        ILogger logger
    )
    {
        (_tenant, _paces, _catalog, _logger) = (tenant, paces, catalog, logger);
        _pacing = Task.Run(() => PaceAsync(link, time));
    }

    /// <summary>Whether writers are spaced now.</summary>
    public bool IsPacing { get; private set; }

    /// <summary>From now on the lag is to be short: writes will be held soon.</summary>
    public void Shorten() => _isShort = true;

    /// <summary>Lets the writers of this process go, and says nothing yet to others: writes nothing in the pause.</summary>
    public void Release()
    {
        _stop.Cancel();
        _paces.Set(_tenant, TimeSpan.Zero);
    }

    /// <summary>Lets the writers of this process go at once, those of others when they hear of it or a second later.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _pacing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (IsPacing)
        {
            await TellAsync(TimeSpan.Zero, CancellationToken.None);
        }

        _stop.Dispose();
    }

    /// <summary>The next spacing.</summary>
    /// <param name="spacing">The one so far.</param>
    /// <param name="before">The lag an interval ago.</param>
    /// <param name="lag">The lag now.</param>
    /// <param name="passed">The interval.</param>
    /// <param name="good">A lag that needs no spacing.</param>
    internal static TimeSpan Next(TimeSpan spacing, TimeSpan before, TimeSpan lag, TimeSpan passed, TimeSpan good)
    {
        if (lag > good && before - lag < passed / 2)
        {
            var more = spacing + Step + spacing / 4;
            return more < Longest ? more : Longest;
        }

        var less = spacing * 0.9;
        return less < Step ? TimeSpan.Zero : less;
    }

    private async Task PaceAsync(MoveLink link, TimeProvider time)
    {
        var (spacing, before, at) = (TimeSpan.Zero, link.Lag, time.GetTimestamp());
        var told = at;
        while (true)
        {
            await Task.Delay(Interval, time, _stop.Token);
            var (lag, now) = (link.Lag, time.GetTimestamp());
            var next = Next(spacing, before, lag, time.GetElapsedTime(at, now), _isShort ? Short : Enough);
            // Said again in time, so that it does not end by itself.
            if (next != spacing || (IsPacing && time.GetElapsedTime(told, now) > WritePaces.Lasting / 3))
            {
                IsPacing = next > TimeSpan.Zero;
                told = now;
                await TellAsync(next, _stop.Token);
            }

            (spacing, before, at) = (next, lag, now);
        }
    }

    private async Task TellAsync(TimeSpan spacing, CancellationToken cancellationToken)
    {
        _paces.Set(_tenant, spacing);
        try
        {
            await using var command = _catalog.Source.CreateCommand("SELECT pg_notify('tenantdocs_paces', $1)");
            command.Parameters.Add(SqlValue.Of(WritePaces.Say(_tenant, spacing)));
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (NpgsqlException e)
        {
            // The other processes write on as fast as they like; what counts is decided elsewhere.
            MoveLog.PaceUnheard(_logger, e, _tenant.Value);
        }
    }
}
