using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using TenantDocs.Catalog;

namespace TenantDocs.Operations;

/// <summary>
/// Passes the catalog's notifications about operations on to whoever waits in this process. A notification is a hint to
/// look at the row: all who wait also look now and then by themselves.
/// </summary>
public sealed partial class OperationNotices(
    CatalogDatabase catalog,
    TimeProvider time,
    ILogger<OperationNotices> logger
) : BackgroundService
{
    /// <summary>The key of those who wait for work to take.</summary>
    internal const string Work = "";

    private static readonly TimeSpan Check = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    private readonly ConcurrentDictionary<Subscription, string> _subscriptions = new();
    private bool _listening;

    /// <summary>Who this process's worker is in leases.</summary>
    internal Guid Worker { get; } = Guid.NewGuid();

    /// <summary>The key of the worker that holds an operation.</summary>
    internal static string HolderOf(Guid operation) => $"!{operation}";

    /// <summary>The key of those who watch an operation.</summary>
    internal static string WatcherOf(Guid operation) => operation.ToString();

    /// <summary>Starts to collect notifications; disposing ends it.</summary>
    internal Subscription Subscribe(string key)
    {
        var subscription = new Subscription(this);
        _subscriptions[subscription] = key;
        return subscription;
    }

    /// <summary>Wakes those who wait under a key.</summary>
    internal void Wake(string key)
    {
        foreach (var (subscription, wanted) in _subscriptions)
        {
            if (wanted == key)
            {
                subscription.Set();
            }
        }
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (catalog.IsOpen)
                {
                    await ListenAsync(stoppingToken);
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                if (_listening)
                {
                    NotificationsStopped(logger, e);
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }

            _listening = false;
            await Task.Delay(Pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ListenAsync(CancellationToken stoppingToken)
    {
        await using var connection = await catalog.Source.OpenConnectionAsync(stoppingToken);
        connection.Notification += (_, notification) => Wake(notification.Payload);
        await ExecuteAsync(connection, "LISTEN tenantdocs_operations", stoppingToken);
        // Ends with this session, so the others know at once when this process is gone: OperationWorker looks for it. Shared:
        // a session that is dead and not yet known to be must not be waited for.
        await ExecuteAsync(
            connection,
            $"SELECT pg_advisory_lock_shared(hashtextextended('tenantdocs worker {Worker}', 0))",
            stoppingToken
        );
        _listening = true;
        foreach (var subscription in _subscriptions.Keys)
        {
            subscription.Set(); // what was said before LISTEN was not heard
        }

        while (true)
        {
            // A dead connection brings no notification and no error: ask it now and then.
            if (!await connection.WaitAsync(Check, stoppingToken))
            {
                await ExecuteAsync(connection, "SELECT 1", stoppingToken);
            }
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    [LoggerMessage(
        7001,
        LogLevel.Warning,
        "Notifications about operations stopped; the queue is polled until they come back."
    )]
    private static partial void NotificationsStopped(ILogger logger, Exception exception);

    /// <summary>Remembers one notification until somebody waits for it.</summary>
    internal sealed class Subscription(OperationNotices notices) : IDisposable
    {
        private readonly SemaphoreSlim _signal = new(0, 1);

        public void Set()
        {
            try
            {
                _signal.Release();
            }
            catch (Exception e) when (e is SemaphoreFullException or ObjectDisposedException)
            {
                // One is as good as many, and nobody waits after the end.
            }
        }

        /// <summary>Returns at the next notification, at the latest after <paramref name="atMost"/>.</summary>
        public Task WaitAsync(TimeSpan atMost, CancellationToken cancellationToken) =>
            _signal.WaitAsync(atMost, cancellationToken);

        public void Dispose()
        {
            notices._subscriptions.TryRemove(this, out _);
            _signal.Dispose();
        }
    }
}
