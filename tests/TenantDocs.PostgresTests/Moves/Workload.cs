using System.Collections.Concurrent;
using System.Diagnostics;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>
/// Writers and readers of one tenant, and the judge of what they saw: unique inserts, deletes of the oldest of them, a counter,
/// and registers that one writer each overwrites with growing values. Each goes its way through the engine, as a request would.
/// </summary>
public sealed class Workload(Platform platform, TenantId tenant) : IAsyncDisposable
{
    private const string Insert = """
        INSERT INTO documents (tenant_id, id, title, body, content_type, status, tags, metadata, language, bytes, version,
                               created_at, created_by, updated_at, updated_by)
        VALUES ($1, $2, $3, $4, 'text/plain', 'draft', '{}', '{}', 'english', 10, 1, now(), 'w', now(), 'w')
        """;

    private const string Count = "UPDATE tenant_state SET seq = seq + 1 WHERE tenant_id = $1";

    private const string Delete = "DELETE FROM documents WHERE tenant_id = $1 AND id = $2";

    private const string Overwrite = """
        INSERT INTO documents (tenant_id, id, title, body, content_type, status, tags, metadata, language, bytes, version,
                               created_at, created_by, updated_at, updated_by)
        VALUES ($1, $2, 'register', $3, 'text/plain', 'draft', '{}', '{}', 'english', 10, $4, now(), 'w', now(), 'w')
        ON CONFLICT (tenant_id, id) DO UPDATE SET version = EXCLUDED.version, updated_at = now()
        """;

    private CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Guid, byte> _acknowledged = new();
    private readonly ConcurrentDictionary<Guid, long> _registers = new();
    private readonly ConcurrentQueue<string> _faults = new();
    private readonly ConcurrentQueue<double> _latencies = new();
    private readonly List<Task> _tasks = [];
    private readonly ConcurrentDictionary<Guid, (Guid Register, long Value)> _unknown = new();
    private long _counted;
    private long _reads;
    private long _survived;

    /// <summary>
    /// Faults that a client survives, as those of a server that goes down. What became of such a write is not known: it may
    /// be there, wholly or not at all.
    /// </summary>
    public Func<Exception, bool> Survives { get; init; } = _ => false;

    /// <summary>How many requests ended with a fault that was survived.</summary>
    public long Survived => Interlocked.Read(ref _survived);

    public long Acknowledged => Interlocked.Read(ref _counted);

    public long Reads => Interlocked.Read(ref _reads);

    public IReadOnlyList<string> Faults => [.. _faults];

    public double LongestMs => _latencies.DefaultIfEmpty().Max();

    /// <summary>Begins, also once more after <see cref="StopAsync"/>.</summary>
    /// <param name="writers">How many write.</param>
    /// <param name="readers">How many read.</param>
    /// <param name="keep">
    /// What each writer leaves of its inserts; what is older it deletes, so that the tenant stays as large. Only where no fault
    /// is survived: what became of a deletion would not be known either.
    /// </param>
    public Workload Start(int writers = 4, int readers = 2, int keep = int.MaxValue)
    {
        if (_stop.IsCancellationRequested)
        {
            _stop.Dispose();
            _stop = new CancellationTokenSource();
        }

        var stop = _stop.Token;
        for (var i = 0; i < writers; i++)
        {
            var register = Guid.NewGuid();
            var own = new Queue<Guid>();
            var value = 0L;
            _tasks.Add(
                Task.Run(
                    () => LoopAsync(token => WriteAsync(register, ++value, own, keep, token), stop),
                    CancellationToken.None
                )
            );
        }

        for (var i = 0; i < readers; i++)
        {
            _tasks.Add(Task.Run(() => LoopAsync(ReadAsync, stop), CancellationToken.None));
        }

        return this;
    }

    /// <summary>Returns when so many more writes were acknowledged.</summary>
    public async Task AdvanceAsync(long writes)
    {
        var goal = Acknowledged + writes;
        var started = Stopwatch.GetTimestamp();
        while (Acknowledged < goal && _faults.IsEmpty)
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(60), "The writers do not get on.");
            await Task.Delay(5);
        }
    }

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_tasks);
        _tasks.Clear();
    }

    /// <summary>Everything acknowledged is there once, and nothing else.</summary>
    public async Task JudgeAsync(long counterBefore = 0)
    {
        await StopAsync();
        Assert.Empty(_faults);
        Assert.True(Acknowledged > 0 && _reads > 0, "Nothing was written or read: the test proves nothing.");
        var home = (await platform.Get<TenantCatalog>().FindAsync(tenant, CancellationToken.None))!;
        var (ids, registers, counter) = await platform.Sessions.ReadAsync(
            home,
            async (session, token) =>
            {
                await using var batch = session
                    .CreateBatch()
                    .Add("SELECT id FROM documents WHERE title = 'insert'")
                    .Add("SELECT id, version FROM documents WHERE title = 'register'")
                    .Add("SELECT seq FROM tenant_state");
                await using var reader = await batch.ReadAsync(token);
                var found = new List<Guid>();
                while (await reader.ReadAsync(token))
                {
                    found.Add(reader.GetGuid(0));
                }

                await reader.NextResultAsync(token);
                var versions = new Dictionary<Guid, long>();
                while (await reader.ReadAsync(token))
                {
                    versions.Add(reader.GetGuid(0), reader.GetInt64(1));
                }

                await reader.NextResultAsync(token);
                await reader.ReadAsync(token);
                return (found, versions, reader.GetInt64(0));
            },
            CancellationToken.None
        );
        var committed = ids.Where(_unknown.ContainsKey).ToHashSet();
        Assert.Equal(_acknowledged.Keys.Concat(committed).Order(), ids.Order());
        Assert.Equal(Acknowledged + committed.Count, counter - counterBefore);
        foreach (var (register, value) in _registers)
        {
            var unheard = committed.Select(id => _unknown[id]).Where(u => u.Register == register).Select(u => u.Value);
            Assert.Equal(unheard.Append(value).Max(), registers[register]);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private async Task LoopAsync(Func<CancellationToken, Task> once, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                // Not cancelled in the middle: an unknown outcome could not be judged.
                await once(CancellationToken.None);
            }
            catch (Exception e) when (Survives(e))
            {
                Interlocked.Increment(ref _survived);
                await Task.Delay(20, CancellationToken.None); // a polite client
            }
            catch (Exception e)
            {
                _faults.Enqueue(e.ToString());
                return;
            }
        }
    }

    private async Task WriteAsync(Guid register, long next, Queue<Guid> own, int keep, CancellationToken token)
    {
        var id = Guid.CreateVersion7();
        var oldest = own.Count >= keep ? own.Peek() : (Guid?)null;
        _unknown[id] = (register, next);
        var started = Stopwatch.GetTimestamp();
        await platform.Sessions.WriteAsync(
            await RouteAsync(token),
            async (session, cancellation) =>
            {
                await using var batch = session.CreateBatch();
                if (oldest is { } gone)
                {
                    batch.Add(Delete, SqlValue.Of(tenant.Value), SqlValue.Of(gone));
                }

                batch
                    .Add(
                        Insert,
                        SqlValue.Of(tenant.Value),
                        SqlValue.Of(id),
                        SqlValue.Of("insert"),
                        SqlValue.Of("ä\n''")
                    )
                    .Add(
                        Overwrite,
                        SqlValue.Of(tenant.Value),
                        SqlValue.Of(register),
                        SqlValue.Of(new string('x', 4000)),
                        SqlValue.Of(next)
                    )
                    .Add(Count, SqlValue.Of(tenant.Value));
                return await batch.ExecuteAsync(cancellation);
            },
            token
        );
        _latencies.Enqueue(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        _acknowledged[id] = 0;
        _unknown.TryRemove(id, out _);
        own.Enqueue(id);
        if (oldest is not null)
        {
            _acknowledged.TryRemove(own.Dequeue(), out _);
        }

        _registers[register] = next;
        Interlocked.Increment(ref _counted);
    }

    private async Task ReadAsync(CancellationToken token)
    {
        // What was acknowledged before the read began must be seen by it.
        var (register, least) = _registers.FirstOrDefault();
        if (least == 0)
        {
            await Task.Delay(1, token);
            return;
        }

        var started = Stopwatch.GetTimestamp();
        var seen = await platform.Sessions.ReadAsync(
            await RouteAsync(token),
            async (session, cancellation) =>
            {
                await using var batch = session
                    .CreateBatch()
                    .Add(
                        "SELECT version FROM documents WHERE tenant_id = $1 AND id = $2",
                        SqlValue.Of(tenant.Value),
                        SqlValue.Of(register)
                    );
                await using var reader = await batch.ReadAsync(cancellation);
                return await reader.ReadAsync(cancellation) ? reader.GetInt64(0) : 0;
            },
            token
        );
        _latencies.Enqueue(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        Interlocked.Increment(ref _reads);
        if (seen < least)
        {
            throw new InvalidOperationException($"A read saw {seen} after {least} was acknowledged.");
        }
    }

    private async ValueTask<Tenant> RouteAsync(CancellationToken token) =>
        (await platform.Get<TenantRoutes>().FindAsync(tenant, token))!;
}
