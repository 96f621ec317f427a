using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;

namespace TenantDocs.Isolation;

/// <summary>
/// Runs units of work on a tenant's data, wherever it lives. The only way to tenant data.
/// </summary>
/// <remarks>
/// A unit of work may run more than once: when the place that it was sent to no longer is the tenant's home (SQLSTATE
/// TD001, raised before any of its statements took effect), it waits for the newer route and runs again there, within
/// <see cref="IsolationOptions.MoveDeadline"/>. So it must hold no effect outside its session.
/// </remarks>
public sealed class TenantSessions(
    DataSourceRegistry registry,
    Isolations isolations,
    ITenantRoutes routes,
    TenantDoors doors,
    WritePaces paces,
    WriteTurns turns,
    IOptions<IsolationOptions> options,
    TimeProvider time
)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(50);

    // A move of another process holds its tenant for tens of milliseconds: a longer pause would be longer than that.
    private static readonly TimeSpan ShortHold = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan LongestPauseAtFirst = TimeSpan.FromMilliseconds(8);

    /// <summary>Runs a unit of work that only reads.</summary>
    /// <exception cref="TenantUnavailableException">No place admitted it within the deadline.</exception>
    /// <exception cref="ConnectionBudgetException">No connection came free in time.</exception>
    public Task<T> ReadAsync<T>(
        Tenant tenant,
        Func<TenantSession, CancellationToken, Task<T>> work,
        CancellationToken cancellationToken
    ) => RunAsync(tenant, SessionMode.Read, work, cancellationToken);

    /// <summary>Runs a unit of work that writes.</summary>
    /// <exception cref="TenantUnavailableException">No place admitted it within the deadline; nothing was changed.</exception>
    /// <exception cref="ConnectionBudgetException">No connection came free in time.</exception>
    public Task<T> WriteAsync<T>(
        Tenant tenant,
        Func<TenantSession, CancellationToken, Task<T>> work,
        CancellationToken cancellationToken
    ) => RunAsync(tenant, SessionMode.Write, work, cancellationToken);

    private async Task<T> RunAsync<T>(
        Tenant tenant,
        SessionMode mode,
        Func<TenantSession, CancellationToken, Task<T>> work,
        CancellationToken cancellationToken
    )
    {
        ArgumentNullException.ThrowIfNull(tenant);
        var start = time.GetTimestamp();
        if (mode is SessionMode.Write)
        {
            await paces.TurnAsync(tenant.Id, cancellationToken);
        }

        try
        {
            // Before the door: who waits for a turn is not yet past it when it closes.
            using var turn = await TurnAsync(tenant, mode, cancellationToken);
            if (doors.Find(tenant.Id) is not { } door)
            {
                return await OnceAsync(tenant, mode, work, cancellationToken);
            }

            using var pass = await door.EnterAsync(mode, options.Value.MoveDeadline, time, cancellationToken);
            if (!pass.IsGone)
            {
                return await OnceAsync(tenant, mode, work, cancellationToken);
            }
        }
        catch (Exception e) when (IsElsewhere(e, mode))
        {
            // The newer route says where.
        }

        return await AgainAsync(tenant, mode, work, start, cancellationToken);
    }

    private ValueTask<WriteTurn> TurnAsync(Tenant tenant, SessionMode mode, CancellationToken cancellationToken) =>
        mode is SessionMode.Write
            ? turns.EnterAsync(tenant.Id, cancellationToken)
            : ValueTask.FromResult(default(WriteTurn));

    private async Task<T> OnceAsync<T>(
        Tenant tenant,
        SessionMode mode,
        Func<TenantSession, CancellationToken, Task<T>> work,
        CancellationToken cancellationToken
    )
    {
        var place = tenant.Placement;
        await using var lease = await registry.RentAsync(
            place.Server,
            place.Database,
            isolations[place.Isolation],
            cancellationToken
        );
        return await work(new TenantSession(lease.Connection, tenant, mode), cancellationToken);
    }

    private async Task<T> AgainAsync<T>(
        Tenant tenant,
        SessionMode mode,
        Func<TenantSession, CancellationToken, Task<T>> work,
        long start,
        CancellationToken cancellationToken
    )
    {
        var pause = FirstPause;
        while (true)
        {
            var fresh = await routes.RefreshAsync(tenant.Id, cancellationToken);
            if (fresh is null)
            {
                throw new TenantUnavailableException(tenant);
            }

            if (!Admits(fresh, mode))
            {
                throw new TenantUnavailableException(fresh);
            }

            try
            {
                using var turn = await TurnAsync(fresh, mode, cancellationToken);
                return await OnceAsync(fresh, mode, work, cancellationToken);
            }
            catch (Exception e) when (IsElsewhere(e, mode))
            {
                // Fenced for a move's last milliseconds, or the route changed once more.
            }

            if (time.GetElapsedTime(start) + pause > options.Value.MoveDeadline)
            {
                throw new TenantUnavailableException(fresh);
            }

            if (doors.Find(tenant.Id) is { } door)
            {
                // The move is in this process and says when it is over; each look before that would only slow it down.
                await Task.WhenAny(door.Gone, Task.Delay(LongestPause, time, cancellationToken));
                cancellationToken.ThrowIfCancellationRequested();
                pause = FirstPause;
            }
            else
            {
                await Task.Delay(pause, time, cancellationToken);
                var longest = time.GetElapsedTime(start) < ShortHold ? LongestPauseAtFirst : LongestPause;
                pause = pause * 2 < longest ? pause * 2 : longest;
            }
        }
    }

    /// <summary>What the catalog itself says no to will not become a yes by waiting.</summary>
    private static bool Admits(Tenant tenant, SessionMode mode) =>
        tenant.Status switch
        {
            TenantStatus.Active => tenant.AccessMode is AccessMode.ReadWrite
                || (tenant.AccessMode is AccessMode.ReadOnly && mode is SessionMode.Read),
            TenantStatus.Suspended => mode is SessionMode.Read,
            _ => false,
        };

    // A place that is gone altogether (its database dropped after a move, its data source forgotten) is also "elsewhere":
    // the newer route says where. A connection that was ended by its server (57P01, as such a drop does) is so for reads:
    // they may run again, while of a write nobody knows whether it took effect.
    private static bool IsElsewhere(Exception e, SessionMode mode) =>
        (mode is SessionMode.Read && e is PostgresException { SqlState: PostgresErrorCodes.AdminShutdown })
        || e
            is PostgresException
                {
                    SqlState: TenantSqlState.NotAdmitted
                        or PostgresErrorCodes.InvalidCatalogName
                        or PostgresErrorCodes.InvalidSchemaName
                }
                or ObjectDisposedException { ObjectName: "Npgsql.NpgsqlDataSource" or "Npgsql.PoolingDataSource" };
}
