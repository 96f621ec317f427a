using System.Diagnostics;
using System.Globalization;
using Npgsql;
using TenantDocs.LocalPostgres;
using TenantDocs.PostgresTests.LocalPostgres;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>A server for the tests of one class, which they kill, stop or starve; one that died comes up again by itself.</summary>
public sealed class OwnCluster : IAsyncDisposable
{
    private const long Plenty = 1L << 30;

    private readonly LocalFolder _folder = new();
    private readonly SemaphoreSlim _starting = new(1);
    private readonly List<string> _disks = [];
    private LocalPostgresClusters? _started;
    private int _killed;

    public async Task<string> ConnectionString() => (await ClusterAsync()).ConnectionString;

    /// <summary>A crash: every process of the server is killed (SIGKILL) in the middle of what it does.</summary>
    public async Task KillAsync()
    {
        var cluster = await ClusterAsync();
        _killed = cluster.ProcessId ?? throw new InvalidOperationException("The server is down already.");
        // The postmaster first: it would end the others in order.
        foreach (var process in ChildrenOf(_killed).Prepend(_killed))
        {
            try
            {
                LocalFolder.Kill(process);
            }
            catch (Exception e) when (e is ArgumentException or InvalidOperationException)
            {
                // It ended by itself.
            }
        }
    }

    /// <summary>Returns when the server is up again after <see cref="KillAsync"/>.</summary>
    public Task BackAsync() => UpAsync(_killed);

    /// <summary>Returns when the server answers.</summary>
    public async Task UpAsync(int notAs = 0)
    {
        var cluster = await ClusterAsync();
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                if (cluster.ProcessId is { } now && now != notAs)
                {
                    await LocalFolder.AskAsync(cluster.ConnectionString, "SELECT 1");
                    return;
                }
            }
            catch (NpgsqlException)
            {
                // It still comes up.
            }

            Assert.True(Stopwatch.GetElapsedTime(since) < TimeSpan.FromMinutes(1), "The server did not come up again.");
            await Task.Delay(20);
        }
    }

    /// <summary>
    /// Puts a folder of the data directory on a disk of its own in memory, with much room. Returns why that is not possible
    /// here; null when it is done.
    /// </summary>
    public async Task<string?> PutOnOwnDiskAsync(string folder)
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess)
        {
            return "A small disk is mounted by root on Linux only.";
        }

        var cluster = await ClusterAsync();
        var place = Path.Combine(cluster.DataDirectory, folder);
        if (_disks.Contains(place))
        {
            return null;
        }

        await _started!.DisposeAsync();
        _started = null;
        var mounted = await ShellAsync(
            $"""
            mv '{place}' '{place}.moved' && mkdir '{place}' &&
            mount -t tmpfs -o size={Plenty},mode=0700,uid=$(stat -c %u '{place}.moved'),gid=$(stat -c %g '{place}.moved') tmpfs '{place}'
            """
        );
        if (mounted is not null)
        {
            await ShellAsync($"rmdir '{place}'; mv '{place}.moved' '{place}'");
            return $"A small disk cannot be mounted here (CAP_SYS_ADMIN): {mounted}";
        }

        _disks.Add(place);
        Assert.Null(await ShellAsync($"cp -a '{place}.moved/.' '{place}/' && rm -r '{place}.moved'"));
        await ClusterAsync();
        return null;
    }

    /// <summary>Leaves so many bytes free on the disks of its own.</summary>
    public Task LeaveRoomAsync(long bytes) =>
        ResizeAsync(place =>
        {
            var disk = new DriveInfo(place);
            return disk.TotalSize - disk.AvailableFreeSpace + bytes;
        });

    /// <summary>Gives the disks of its own much room again.</summary>
    public Task GiveRoomAsync() => ResizeAsync(_ => Plenty);

    public async ValueTask DisposeAsync()
    {
        if (_started is not null)
        {
            await _started.DisposeAsync();
        }

        foreach (var place in _disks)
        {
            await ShellAsync($"umount '{place}'");
        }

        await _folder.DisposeAsync();
        _starting.Dispose();
    }

    private async Task ResizeAsync(Func<string, long> size)
    {
        foreach (var place in _disks)
        {
            Assert.Null(await ShellAsync($"mount -o remount,size={size(place)} '{place}'"));
        }
    }

    // What it said when it failed; null when it did not.
    private static async Task<string?> ShellAsync(string script)
    {
        var result = await Command.RunAsync(
            "sh",
            ["-c", script],
            "/",
            TimeSpan.FromSeconds(30),
            wholeEnvironment: true
        );
        return result.Succeeded ? null : result.Output.Trim();
    }

    private async Task<LocalPostgresCluster> ClusterAsync()
    {
        await _starting.WaitAsync();
        try
        {
            _started ??= await StartAsync();
            return _started.Clusters[0];
        }
        finally
        {
            _starting.Release();
        }
    }

    private Task<LocalPostgresClusters> StartAsync()
    {
        var options = _folder.Options();
        // What is acknowledged survives the server's processes; the disk below them is not what is tested.
        options.Settings["synchronous_commit"] = "on";
        // A commit that does not wait for the disk stays in memory until something else is written.
        options.Settings["wal_writer_delay"] = "10s";
        // So few that a test can use them up.
        options.Settings["max_wal_senders"] = options.Settings["max_replication_slots"] = "6";
        return _folder.StartAsync(options);
    }

    private static List<int> ChildrenOf(int parent)
    {
        var children = new List<int>();
        foreach (var folder in OperatingSystem.IsLinux() ? Directory.GetDirectories("/proc") : [])
        {
            try
            {
                if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var process))
                {
                    var stat = File.ReadAllText(Path.Combine(folder, "stat"));
                    // Behind the name in parentheses: state, parent.
                    var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                    if (int.Parse(fields[1], CultureInfo.InvariantCulture) == parent)
                    {
                        children.Add(process);
                    }
                }
            }
            catch (IOException)
            {
                // It ended meanwhile.
            }
        }

        return children;
    }
}
