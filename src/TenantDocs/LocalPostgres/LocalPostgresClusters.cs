using Microsoft.Extensions.Logging;

namespace TenantDocs.LocalPostgres;

/// <summary>
/// The embedded clusters of this host: adopted when they run already, started when not, watched, and stopped at the end by the last host that
/// uses them. A host that is killed leaves them running; the next one adopts them.
/// </summary>
public sealed class LocalPostgresClusters : IAsyncDisposable
{
    private static readonly TimeSpan LockDeadline = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan Watch = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);
    private readonly string _dataFolder;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private Task _watching = Task.CompletedTask;
    private readonly Lock _disposing = new();
    private Task? _disposal;

    private LocalPostgresClusters(
        string dataFolder,
        IReadOnlyList<LocalPostgresCluster> clusters,
        ILogger log,
        TimeProvider time
    )
    {
        (_dataFolder, Clusters, _log, _time) = (dataFolder, clusters, log, time);
    }

    /// <summary>The clusters, in the order of the options; all of them accept connections when <see cref="StartAsync"/> returns.</summary>
    public IReadOnlyList<LocalPostgresCluster> Clusters { get; }

    /// <summary>Makes every cluster of the options run. Creates missing ones (about two seconds, once).</summary>
    /// <exception cref="LocalPostgresException">In words: what happened, what was kept, what to do. Nothing is left running by us.</exception>
    public static async Task<LocalPostgresClusters> StartAsync(
        LocalPostgresOptions options,
        ILoggerFactory loggerFactory,
        TimeProvider timeProvider,
        CancellationToken cancellationToken
    )
    {
        if (options.Problems() is [_, ..] problems)
        {
            throw new LocalPostgresException(
                string.Join('\n', problems) + "\nNothing was started. Correct the configuration."
            );
        }

        var log = loggerFactory.CreateLogger<LocalPostgresClusters>();
        var dataFolder = options.FullDataFolder;
        try
        {
            var user = ServerUser.Current();
            var place = await ServerFolder.ChooseAsync(dataFolder, options.ClusterNames, user, log, cancellationToken);
            await using var held = await LockAsync(dataFolder, timeProvider, cancellationToken);
            var clusters = await PrepareAsync(options, place, user, log, timeProvider, cancellationToken);
            var started = new LocalPostgresClusters(dataFolder, clusters, log, timeProvider);
            await started.EnsureAllRunAsync(cancellationToken);
            started._watching = Task.WhenAll(clusters.Select(started.WatchAsync));
            return started;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failure.Folder(dataFolder, e);
        }
    }

    /// <summary>Stops clusters that a killed host left running, unless a live one uses them. Starts and creates nothing.</summary>
    internal static async Task StopUnusedAsync(
        LocalPostgresOptions options,
        ILoggerFactory loggerFactory,
        TimeProvider time,
        CancellationToken cancel
    )
    {
        var log = loggerFactory.CreateLogger<LocalPostgresClusters>();
        var (dataFolder, user) = (options.FullDataFolder, ServerUser.Current());
        var place = await ServerFolder.ChooseAsync(dataFolder, options.ClusterNames, user, log, cancel);
        await using var held = await LockAsync(dataFolder, time, cancel);
        var clusters = await PrepareAsync(options, place, user, log, time, cancel);
        await new LocalPostgresClusters(dataFolder, clusters, log, time).ReleaseAllAsync();
    }

    private static async Task<IReadOnlyList<LocalPostgresCluster>> PrepareAsync(
        LocalPostgresOptions options,
        string place,
        ServerUser user,
        ILogger log,
        TimeProvider time,
        CancellationToken cancel
    )
    {
        var search = new PostgresSearch(user, Path.Combine(place, "npm"), log)
        {
            // An empty setting is how environment and files say "not set".
            BinFolder = string.IsNullOrWhiteSpace(options.BinFolder) ? null : options.BinFolder,
        };
        var remembered = LocalPostgresState.TryRead(options.FullDataFolder)?.Clusters ?? [];
        var clusters = new List<LocalPostgresCluster>();
        foreach (var name in options.ClusterNames)
        {
            var folder = new ClusterFolder(Path.Combine(place, name));
            var binaries = await search.FindAsync(folder.Data, folder.MadeBy(), cancel);
            var server = new ClusterServer(name, folder, binaries, user, options, log, time);
            var entry = remembered.FirstOrDefault(e => e.Name == name);
            clusters.Add(new LocalPostgresCluster(name, folder, server, user, entry, log, time));
        }

        return clusters;
    }

    private async Task EnsureAllRunAsync(CancellationToken cancel)
    {
        try
        {
            await Task.WhenAll(Clusters.Select(c => c.EnsureRunsAsync(cancel)));
            LocalPostgresState.Update(_dataFolder, Clusters.Select(c => c.Entry));
        }
        catch
        {
            // Half a platform is of no use to anybody: what this call started stops again.
            await ReleaseAllAsync();
            throw;
        }
    }

    private static Task<FileStream> LockAsync(string dataFolder, TimeProvider time, CancellationToken cancel) =>
        FileLock.ExclusiveAsync(Path.Combine(dataFolder, "change.lock"), LockDeadline, time, cancel);

    /// <summary>Starts a cluster again whose process is gone. Several hosts may watch the same one; the lock lets one of them act.</summary>
    private async Task WatchAsync(LocalPostgresCluster cluster)
    {
        var delay = Watch;
        try
        {
            while (true)
            {
                await Task.Delay(delay, _time, _stopping.Token);
                if (cluster.ProcessId is not null)
                {
                    delay = Watch;
                    continue;
                }

                delay = await RestartAsync(cluster, delay);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The host stops.
        }
    }

    private async Task<TimeSpan> RestartAsync(LocalPostgresCluster cluster, TimeSpan delay)
    {
        if (delay == Watch)
        {
            _log.Died(cluster.Name, cluster.Entry.ProcessId);
        }

        try
        {
            await using var held = await LockAsync(_dataFolder, _time, _stopping.Token);
            await cluster.EnsureRunsAsync(_stopping.Token);
            LocalPostgresState.Update(_dataFolder, [cluster.Entry]);
            return Watch;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // A full disk or a wrong setting does not end the watch: it is tried again, ever more rarely.
            var next = delay * 2 < LongestDelay ? delay * 2 : LongestDelay;
            _log.RestartFailed(e, cluster.Name, next);
            return next;
        }
    }

    private async Task ReleaseAllAsync()
    {
        await Task.WhenAll(Clusters.Select(ReleaseAsync));

        async Task ReleaseAsync(LocalPostgresCluster cluster)
        {
            try
            {
                await cluster.ReleaseAsync();
            }
            catch (Exception e) when (e is LocalPostgresException or IOException or UnauthorizedAccessException)
            {
                _log.StopFailed(e, cluster.Name);
            }
        }
    }

    /// <summary>Stops the clusters (fast shutdown, past a deadline an immediate one), except those that another live host uses.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_disposing)
        {
            // One stop, and everybody who asks waits for its end: a host that is stopped from two sides (a signal and its
            // own disposal) must not be told that the servers are down while they still write.
            _disposal ??= StopAsync();
            return new ValueTask(_disposal);
        }
    }

    private async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _watching;
        _stopping.Dispose();
        try
        {
            await using var held = await LockAsync(_dataFolder, _time, CancellationToken.None);
            await ReleaseAllAsync();
            LocalPostgresState.Update(_dataFolder, Clusters.Select(c => c.Entry with { ProcessId = c.ProcessId }));
        }
        catch (Exception e) when (e is LocalPostgresException or IOException or UnauthorizedAccessException)
        {
            // Disposal must not hide the reason why the host stops; what still runs is adopted or stopped by the next host.
            _log.StopFailed(e, string.Join(", ", Clusters.Select(c => c.Name)));
        }
    }
}
