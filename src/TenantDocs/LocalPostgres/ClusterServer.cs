using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace TenantDocs.LocalPostgres;

/// <summary>Creates, starts and stops one cluster with PostgreSQL's own programs. The caller holds the data folder's lock.</summary>
internal sealed class ClusterServer(
    string name,
    ClusterFolder folder,
    PostgresBinaries binaries,
    ServerUser user,
    LocalPostgresOptions options,
    ILogger log,
    TimeProvider time
)
{
    public const string Superuser = "postgres";
    private static readonly TimeSpan InitdbDeadline = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan StartDeadline = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan StopDeadline = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan RetryDeadline = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    public PostgresBinaries Binaries => binaries;

    public string Password() => File.ReadAllText(folder.PasswordFile).Trim();

    public async Task CreateUnlessThereAsync(CancellationToken cancel)
    {
        if (Directory.Exists(folder.Data))
        {
            await user.OwnAsync(folder.Data, cancel);
            await user.OwnAsync(folder.Log, cancel);
            return;
        }

        log.Creating(name, folder.Data, binaries.Version);
        PrivateFile.CreateFolder(folder.Log, PrivateFile.OwnerFolder);
        await user.OwnAsync(folder.Log, cancel);
        PrivateFile.Replace(folder.PasswordFile, RandomNumberGenerator.GetHexString(40, lowercase: true));
        // C.UTF-8 sorts by code point like C and knows letters beyond ASCII; macOS before 15 and some containers lack it.
        var result = await InitdbAsync("C.UTF-8", cancel);
        if (result.Output.Contains("invalid locale name", StringComparison.Ordinal))
        {
            result = await InitdbAsync("C", cancel);
        }

        if (!result.Succeeded)
        {
            Remove(folder.Unfinished);
            throw Failure.InitdbFailed(folder.Data, result.Output);
        }

        await File.AppendAllTextAsync(
            Path.Combine(folder.Unfinished, "postgresql.conf"),
            ServerSettings.Include,
            cancel
        );
        Directory.Move(folder.Unfinished, folder.Data);
    }

    private async Task<CommandResult> InitdbAsync(string locale, CancellationToken cancel)
    {
        Remove(folder.Unfinished);
        PrivateFile.CreateFolder(folder.Unfinished, PrivateFile.OwnerFolder);
        await user.OwnAsync(folder.Unfinished, cancel);
        // The server's user may not read our password file, and cannot open a pipe of root either: a copy of its own, for this long.
        var password = folder.PasswordFile + ".initdb";
        PrivateFile.Replace(password, await File.ReadAllTextAsync(folder.PasswordFile, cancel));
        try
        {
            await user.OwnAsync(password, cancel);
            List<string> arguments =
            [
                $"--pgdata={folder.Unfinished}",
                "--encoding=UTF8",
                $"--locale={locale}",
                "--auth=scram-sha-256",
                "--data-checksums",
                $"--username={Superuser}",
                $"--pwfile={password}",
            ];
            if (options.Fast)
            {
                arguments.Add("--no-sync");
            }

            return await user.RunAsync(binaries.Initdb, arguments, folder.Root, InitdbDeadline, cancel);
        }
        finally
        {
            File.Delete(password);
        }
    }

    /// <summary>Starts the server, on another port when the wanted one is taken.</summary>
    public async Task StartAsync(int wantedPort, string? socketFolder, CancellationToken cancel)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            var port = FreePort.Choose(wantedPort);
            if (port != wantedPort && wantedPort != 0)
            {
                log.OtherPort(name, wantedPort, port);
            }

            await WriteSettingsAsync(port, socketFolder, cancel);
            // Without the token: cancelling kills pg_ctl's children, and the server is one at that moment.
            var result = await PgCtlAsync(["start", $"--log={folder.StartLog}"], StartDeadline);
            cancel.ThrowIfCancellationRequested();
            if (result.Succeeded)
            {
                return;
            }

            var said = folder.LastWords() + result.Output;
            // Two reasons pass by themselves: another process took the port first (the next turn takes another), and the backends of a
            // killed postmaster have not noticed its end yet, for which PostgreSQL itself looks by its shared memory.
            var passing = !FreePort.IsFree(port) || said.Contains("shared memory block", StringComparison.Ordinal);
            if (!passing || time.GetElapsedTime(start) > RetryDeadline)
            {
                throw Failure.StartFailed(folder.Data, folder.Log, said);
            }

            wantedPort = port;
            await Task.Delay(Pause, time, cancel);
        }
    }

    /// <summary>Fast shutdown, then, past its deadline, an immediate one (crash recovery at the next start; nothing committed is lost).</summary>
    public async Task StopAsync()
    {
        var running = Postmaster.Read(folder.Data);
        if (running?.Runs(folder.Data) != true)
        {
            return;
        }

        var result = await PgCtlAsync(["stop", "--mode=fast"], StopDeadline);
        if (!result.Succeeded && running.Runs(folder.Data))
        {
            log.StoppingAtOnce(name, StopDeadline);
            result = await PgCtlAsync(["stop", "--mode=immediate"], StopDeadline);
        }

        // pg_ctl waits for the lock file to go; the process ends a moment later.
        var start = time.GetTimestamp();
        while (running.Runs(folder.Data))
        {
            if (time.GetElapsedTime(start) > StopDeadline)
            {
                throw new LocalPostgresException(
                    $"""
                    PostgreSQL on {folder.Data} (process {running.ProcessId}) did not stop. It said:
                    {Failure.Tail(result.Output + folder.LastWords())}
                    Its data was kept. Look at the process; end it with pg_ctl stop -m immediate -D "{folder.Data}".
                    """
                );
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), time, CancellationToken.None);
        }
    }

    // The server's user reads this file in a folder of ours, so it may be neither private nor theirs. It holds no secret.
    private async Task WriteSettingsAsync(int port, string? socketFolder, CancellationToken cancel)
    {
        var text = ServerSettings.Text(options, binaries.Version, folder, port, socketFolder);
        PrivateFile.Replace(folder.SettingsFile, text);
        await user.OwnAsync(folder.SettingsFile, cancel);
    }

    // pg_ctl and not postgres itself as a child: pg_ctl puts the server into a session of its own, where neither Ctrl+C in the host's
    // terminal nor the host's death reaches it, so the host decides when it stops.
    private Task<CommandResult> PgCtlAsync(string[] arguments, TimeSpan deadline)
    {
        var seconds = ((int)deadline.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        string[] all = [.. arguments, $"--pgdata={folder.Data}", "--wait", $"--timeout={seconds}", "--silent"];
        return user.RunAsync(binaries.PgCtl, all, folder.Root, deadline + StopDeadline, CancellationToken.None);
    }

    private static void Remove(string path)
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }
}
