using Microsoft.Extensions.Logging;
using Npgsql;

namespace TenantDocs.LocalPostgres;

/// <summary>One embedded cluster that runs. Its owner restarts it when it dies; the properties then follow.</summary>
public sealed class LocalPostgresCluster
{
    private static readonly TimeSpan ReadyDeadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private readonly ClusterFolder _folder;
    private readonly ClusterServer _server;
    private readonly ServerUser _user;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private FileStream? _use;
    private volatile LocalPostgresState.Entry? _entry;

    internal LocalPostgresCluster(
        string name,
        ClusterFolder folder,
        ClusterServer server,
        ServerUser user,
        LocalPostgresState.Entry? remembered,
        ILogger log,
        TimeProvider time
    )
    {
        (Name, _folder, _server, _user, _log, _time) = (name, folder, server, user, log, time);
        _entry = remembered;
    }

    /// <summary>Its name in <see cref="LocalPostgresOptions.Clusters"/>.</summary>
    public string Name { get; }

    /// <summary>Superuser, database <c>postgres</c>, over the Unix socket (TCP on Windows). Holds the password: not for logs.</summary>
    public string ConnectionString => Entry.ConnectionString;

    /// <summary>Port on 127.0.0.1; the same at every start while it is free.</summary>
    public int Port => Entry.Port;

    /// <summary>Version of the running server.</summary>
    public Version Version => Entry.Version;

    /// <summary>PGDATA.</summary>
    public string DataDirectory => _folder.Data;

    /// <summary>The postmaster; null while it is down.</summary>
    public int? ProcessId => Postmaster.Read(DataDirectory) is { } p && p.Runs(DataDirectory) ? p.ProcessId : null;

    internal LocalPostgresState.Entry Entry =>
        _entry ?? throw new InvalidOperationException($"The cluster {Name} has not been started.");

    /// <summary>Adopts the running server, or creates and starts it. Under the data folder's lock.</summary>
    internal async Task EnsureRunsAsync(CancellationToken cancel)
    {
        PrivateFile.CreateFolder(
            _folder.Root,
            _user.Name is null ? PrivateFile.OwnerFolder : PrivateFile.PassableFolder
        );
        _use ??= FileLock.Shared(_folder.UseLock);
        if (await AdoptAsync(cancel))
        {
            return;
        }

        await _server.CreateUnlessThereAsync(cancel);
        var socket = await SocketFolder.PrepareAsync(_folder.Root, _entry?.SocketFolder, _user, cancel);
        await _server.StartAsync(_entry?.Port ?? 0, socket, cancel);
        var running =
            Postmaster.Read(DataDirectory)
            ?? throw Failure.StartFailed(
                DataDirectory,
                _folder.Log,
                "It stopped right after the start.\n" + _folder.LastWords()
            );
        try
        {
            await ConnectAsync(running, cancel);
        }
        catch (NpgsqlException e)
        {
            throw Failure.NotOurs(DataDirectory, running.ProcessId, e);
        }

        _log.Started(Name, running.Port, running.ProcessId);
    }

    private async Task<bool> AdoptAsync(CancellationToken cancel)
    {
        if (Postmaster.Read(DataDirectory) is not { } found)
        {
            return false;
        }

        if (!found.Runs(DataDirectory))
        {
            // PostgreSQL refuses to start while any process has that number. Removing the file is safe: should backends of the killed
            // server still live, the new one finds their shared memory by the directory's inode and refuses (since PostgreSQL 12).
            _log.StaleLockFile(Name, found.ProcessId);
            File.Delete(Postmaster.LockFile(DataDirectory));
            return false;
        }

        var start = _time.GetTimestamp();
        while (true)
        {
            try
            {
                await ConnectAsync(Postmaster.Read(DataDirectory) ?? found, cancel);
                _log.Adopted(Name, Port, found.ProcessId);
                return true;
            }
            catch (NpgsqlException) when (!found.Runs(DataDirectory))
            {
                return false;
            }
            // It may be starting (recovering) or stopping: both end.
            catch (NpgsqlException e) when (e is not PostgresException { SqlState: "28P01" or "28000" })
            {
                if (_time.GetElapsedTime(start) > ReadyDeadline)
                {
                    throw Failure.NotOurs(DataDirectory, found.ProcessId, e);
                }
            }
            catch (PostgresException e)
            {
                throw Failure.NotOurs(DataDirectory, found.ProcessId, e);
            }

            await Task.Delay(Pause, _time, cancel);
        }
    }

    /// <summary>Logs in, and makes sure that the server that answers is the one of this directory.</summary>
    private async Task ConnectAsync(Postmaster running, CancellationToken cancel)
    {
        var entry = new LocalPostgresState.Entry(
            Name,
            running.ProcessId,
            running.SocketFolder.Length == 0 ? null : running.SocketFolder,
            running.Port,
            DataDirectory,
            _server.Binaries.Folder,
            _server.Binaries.Version,
            ClusterServer.Superuser,
            _server.Password()
        );
        var text = new NpgsqlConnectionStringBuilder(entry.ConnectionString)
        {
            Pooling = false,
            Timeout = 10,
        }.ConnectionString;
#pragma warning disable RS0030 // The cluster's own superuser, before there is any tenant: the Isolation room has no part in it.
        await using var connection = new NpgsqlConnection(text);
#pragma warning restore RS0030
        await connection.OpenAsync(cancel);
        // The lock file as the server sees it, rather than data_directory: the same text proves the same folder, whatever links lead there.
        await using var command = new NpgsqlCommand("SELECT pg_read_file('postmaster.pid')", connection);
        var theirs = (string?)await command.ExecuteScalarAsync(cancel);
        if (theirs?.Split('\n')[0].Trim() != $"{running.ProcessId}")
        {
            throw Failure.NotOurs(DataDirectory, running.ProcessId, null);
        }

        _entry = entry with { Version = connection.PostgreSqlVersion };
    }

    /// <summary>Lets go; stops the server unless another live host uses it. Under the data folder's lock.</summary>
    internal async Task ReleaseAsync()
    {
        if (_use is not null)
        {
            await _use.DisposeAsync();
            _use = null;
        }

        if (!Directory.Exists(_folder.Data))
        {
            return;
        }

        if (!FileLock.TryExclusive(_folder.UseLock, out var alone))
        {
            _log.LeftRunning(Name);
            return;
        }

        await using (alone)
        {
            await _server.StopAsync();
            SocketFolder.RemoveShort(_folder.Root, _entry?.SocketFolder);
            _log.Stopped(Name);
        }
    }
}
