using System.Diagnostics;
using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Database;

namespace TenantDocs.Isolation;

/// <summary>
/// The request role's data sources, one per (server, database), under one connection budget for the whole process.
/// Neither Npgsql nor PgBouncer caps connections over many databases, so this does.
/// </summary>
/// <remarks>
/// Each pool is charged for the most connections it had leased at once since it was last cleared: an upper bound of what
/// it can hold open. When the budget is spent, a pool that holds none takes from the least recently used pool that has
/// idle ones (that pool is cleared). A pool that holds some waits for one of its own instead, unless another one's are
/// unused or clearly too many: else busy databases would take each other's connections at every request, and opening one
/// costs thirty reads. When there is nothing to take, the caller waits its turn, and so does who would open one more while
/// some of the same database are being opened. Proof: DataSourceRegistryTests.
/// </remarks>
public sealed class DataSourceRegistry : IAsyncDisposable
{
    // A connection that is given back in the meantime serves as well as a new one: after a move all requests of a database
    // come at once.
    private const int MostOpening = 2;
    internal static readonly TimeSpan Unused = TimeSpan.FromSeconds(1);
    private readonly ServerConnections _servers;
    private readonly IsolationOptions _options;
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Server, PgIdentifier Database), DatabasePool> _pools = [];
    private readonly LinkedList<DatabasePool> _byUse = new(); // least recently used first
    private readonly LinkedList<PoolWaiter> _waiters = new();
    private readonly Timer _idle;
    private int _charged;
    private bool _disposed;

    /// <summary>An empty registry.</summary>
    public DataSourceRegistry(ServerConnections servers, IOptions<IsolationOptions> options)
    {
        _servers = servers;
        _options = options.Value;
        _idle = new Timer(_ => Tend(), null, Unused, Unused);
    }

    /// <summary>Upper bound of the server connections held open now; never above the budget.</summary>
    public int Charged
    {
        get
        {
            lock (_lock)
            {
                return _charged;
            }
        }
    }

    /// <summary>Data sources kept now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _pools.Count;
            }
        }
    }

    /// <summary>Rents an open connection; disposing the lease gives it back.</summary>
    /// <exception cref="ConnectionBudgetException">No connection came free in time.</exception>
    /// <exception cref="ServerWithheldException">The server was not found safe for tenants yet.</exception>
    internal async ValueTask<ConnectionLease> RentAsync(
        string server,
        PgIdentifier database,
        IIsolation isolation,
        CancellationToken cancellationToken
    )
    {
        if (_servers.IsWithheld(server))
        {
            throw new ServerWithheldException(server);
        }

        DatabasePool pool;
        PoolWaiter? waiter = null;
        bool isNew;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            pool = GetOrAdd(server, database, isolation);
            if ((pool.Leased == pool.Charged && AnyWaitsForBudget()) || !TryLease(pool, out isNew))
            {
                waiter = new PoolWaiter(pool);
                _waiters.AddLast(waiter);
                // A pool with a waiter is not thrown away between now and its turn.
                pool.Waiting++;
                isNew = false;
            }
        }

        if (waiter is not null)
        {
            isNew = await WaitAsync(waiter, cancellationToken);
        }

        try
        {
            return new ConnectionLease(this, pool, await pool.Source.OpenConnectionAsync(cancellationToken));
        }
        catch
        {
            Release(pool);
            throw;
        }
        finally
        {
            if (isNew)
            {
                Opened(pool);
            }
        }
    }

    /// <summary>Forgets a database, closing its idle connections; its busy ones close when they come back.</summary>
    public async Task ForgetAsync(string server, PgIdentifier database)
    {
        DatabasePool? pool;
        lock (_lock)
        {
            if (!_pools.Remove((server, database), out pool))
            {
                return;
            }

            _byUse.Remove(pool.Node);
            pool.Forgotten = true;
            _charged -= pool.Charged - pool.Leased;
            pool.Charged = pool.Leased;
            ServeWaiters();
        }

        await pool.Source.DisposeAsync();
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        List<DatabasePool> pools;
        lock (_lock)
        {
            _disposed = true;
            pools = [.. _pools.Values];
            _pools.Clear();
        }

        await _idle.DisposeAsync();
        foreach (var pool in pools)
        {
            await pool.Source.DisposeAsync();
        }
    }

    internal void Release(DatabasePool pool)
    {
        lock (_lock)
        {
            TakeBack(pool);
            ServeWaiters();
        }
    }

    private void TakeBack(DatabasePool pool)
    {
        pool.Leased--;
        if (pool.Forgotten)
        {
            _charged--;
            pool.Charged--;
        }
    }

    private DatabasePool GetOrAdd(string server, PgIdentifier database, IIsolation isolation)
    {
        if (_pools.TryGetValue((server, database), out var pool))
        {
            if (_byUse.Last != pool.Node)
            {
                _byUse.Remove(pool.Node);
                _byUse.AddLast(pool.Node);
            }

            pool.LastUsed = Stopwatch.GetTimestamp();
            return pool;
        }

        if (_pools.Count >= _options.MaxDataSources)
        {
            for (var node = _byUse.First; node is not null; node = node.Next)
            {
                if (node.Value is { Leased: 0, Waiting: 0 })
                {
                    Remove(node.Value);
                    break;
                }
            }
        }

        pool = new DatabasePool((server, database), CreateSource(server, database, isolation));
        _pools.Add(pool.Key, pool);
        _byUse.AddLast(pool.Node);
        return pool;
    }

    private NpgsqlDataSource CreateSource(string server, PgIdentifier database, IIsolation isolation)
    {
        var settings = new NpgsqlConnectionStringBuilder(_servers.ConnectionString(server, database, SessionRole.App))
        {
            MaxPoolSize = _options.MaxConnectionsPerDatabase,
            MinPoolSize = 0,
            MaxAutoPrepare = 64,
            AutoPrepareMinUsages = 2,
            SearchPath = isolation.SearchPath,
            ConnectionIdleLifetime = Math.Max(1, (int)_options.IdleLifetime.TotalSeconds),
            // A backend keeps about 70 KB for every schema it has touched, and DISCARD ALL does not free it.
            ConnectionLifetime = 900,
            // Everything that a session sets is transaction-local (the gate), nothing else is allowed to the request
            // role that would outlive a transaction; so the reset that Npgsql would send with the next command is
            // pure cost. Attack test 2 runs with and without it.
            NoResetOnClose = true,
            Timeout = Math.Max(1, (int)_options.ConnectionTimeout.TotalSeconds),
            CommandTimeout = (int)_options.StatementTimeout.TotalSeconds + 5,
        };
#pragma warning disable RS0030 // This room makes the data sources.
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = $"{server}/{database}" };
#pragma warning restore RS0030
        // Only built-in types are used; loading each database's types costs a query per new pool (7–150 ms).
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        return builder.Build();
    }

    private void Opened(DatabasePool pool)
    {
        lock (_lock)
        {
            pool.Opening--;
            ServeWaiters();
        }
    }

    private bool TryLease(DatabasePool pool, out bool isNew)
    {
        isNew = pool.Leased == pool.Charged;
        if (isNew)
        {
            if (
                pool.Opening >= MostOpening
                || pool.Charged >= _options.MaxConnectionsPerDatabase
                || (_charged >= _options.ConnectionBudget && !TryReclaim(pool))
            )
            {
                return false;
            }

            _charged++;
            pool.Charged++;
            pool.Opening++;
        }

        pool.Leased++;
        return true;
    }

    private bool TryReclaim(DatabasePool taker)
    {
        for (var node = _byUse.First; node is not null; node = node.Next)
        {
            var pool = node.Value;
            if (pool.Charged > pool.Leased && MayTake(taker, pool))
            {
                _charged -= pool.Charged - pool.Leased;
                pool.Charged = pool.Leased;
                // Idle connections close now, busy ones when they are returned: what stays open is at most Leased.
                pool.Source.Clear();
                return true;
            }
        }

        return false;
    }

    private static bool MayTake(DatabasePool taker, DatabasePool pool) =>
        taker.Charged == 0
        || pool.Charged >= 2 * (taker.Charged + 1)
        || Stopwatch.GetElapsedTime(pool.LastUsed) >= Unused;

    // In order: nobody behind a waiter for the budget may overtake it. A waiter whose database holds connections waits for
    // those and holds up nobody but those of the same database: one busy tenant must not make the others wait.
    private void ServeWaiters()
    {
        var budgetSpent = false;
        for (var node = _waiters.First; node is not null; )
        {
            var next = node.Next;
            var pool = node.Value.Pool;
            var needsNew = pool.Leased == pool.Charged;
            if (!(needsNew && budgetSpent) && TryLease(pool, out var isNew))
            {
                _waiters.Remove(node);
                pool.Waiting--;
                if (!node.Value.Turn.TrySetResult(isNew))
                {
                    // It gave up a moment ago.
                    pool.Opening -= isNew ? 1 : 0;
                    TakeBack(pool);
                }
            }
            else
            {
                budgetSpent |= WaitsForBudget(pool);
            }

            node = next;
        }
    }

    private bool AnyWaitsForBudget()
    {
        for (var node = _waiters.First; node is not null; node = node.Next)
        {
            if (WaitsForBudget(node.Value.Pool))
            {
                return true;
            }
        }

        return false;
    }

    private static bool WaitsForBudget(DatabasePool pool) => pool.Charged == 0;

    private async Task<bool> WaitAsync(PoolWaiter waiter, CancellationToken cancellationToken)
    {
        try
        {
            return await waiter.Turn.Task.WaitAsync(_options.ConnectionTimeout, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            if (!waiter.Turn.TrySetCanceled(CancellationToken.None))
            {
                // The turn came in the same moment.
                if (await waiter.Turn.Task)
                {
                    Opened(waiter.Pool);
                }

                Release(waiter.Pool);
            }
            else
            {
                lock (_lock)
                {
                    if (_waiters.Remove(waiter))
                    {
                        waiter.Pool.Waiting--;
                    }
                }
            }

            throw e is TimeoutException
                ? new ConnectionBudgetException($"All {_options.ConnectionBudget} server connections")
                : e;
        }
    }

    // What was in use when somebody asked for it may be unused a second later, without anybody coming back with a lease.
    private void Tend()
    {
        lock (_lock)
        {
            ServeWaiters();
            var idle = _pools
                .Values.Where(p =>
                    p is { Leased: 0, Waiting: 0 } && Stopwatch.GetElapsedTime(p.LastUsed) > _options.IdleLifetime
                )
                .ToList();
            idle.ForEach(Remove);
        }
    }

    private void Remove(DatabasePool pool)
    {
        _pools.Remove(pool.Key);
        _byUse.Remove(pool.Node);
        pool.Forgotten = true;
        _charged -= pool.Charged;
        pool.Charged = 0;
        pool.Source.Dispose();
    }
}
