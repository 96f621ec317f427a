namespace TenantDocs.LocalPostgres;

/// <summary>
/// The user who runs PostgreSQL: this process's own, or, because PostgreSQL refuses root, <c>postgres</c> or <c>nobody</c> when this process
/// is root.
/// </summary>
internal sealed class ServerUser
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private readonly string[] _prefix;

    private ServerUser(string? name, string[] prefix)
    {
        Name = name;
        _prefix = prefix;
    }

    /// <summary>The user that root drops to; null when PostgreSQL runs as this process's own user.</summary>
    public string? Name { get; }

    public static ServerUser Current()
    {
        if (OperatingSystem.IsWindows() || !Environment.IsPrivilegedProcess)
        {
            return new ServerUser(null, []);
        }

        var users = File.ReadLines("/etc/passwd").Select(l => l.Split(':')[0]).ToHashSet(StringComparer.Ordinal);
        var name = users.Contains("postgres") ? "postgres" : "nobody";
        // setpriv first: runuser opens a PAM session, which writes to the system log and may apply the user's limits.
        if (Programs.Find("setpriv") is { } setpriv)
        {
            return new ServerUser(
                name,
                [setpriv, $"--reuid={name}", $"--regid={GroupOf(name)}", "--init-groups", "--"]
            );
        }

        return Programs.Find("runuser") is { } runuser
            ? new ServerUser(name, [runuser, "-u", name, "--"])
            : throw new LocalPostgresException(
                $"""
                This process is root, PostgreSQL refuses root, and neither setpriv nor runuser (util-linux) was found to run it as
                user {name}. Nothing was changed. Install util-linux, or start as another user.
                """
            );
    }

    public Task<CommandResult> RunAsync(
        string program,
        IEnumerable<string> arguments,
        string folder,
        TimeSpan deadline,
        CancellationToken cancel
    )
    {
        string[] all = [.. _prefix, program, .. arguments];
        return Command.RunAsync(all[0], all[1..], folder, deadline, cancel: cancel);
    }

    /// <summary>Whether the user may enter a folder or run a program; asked of the system, since access lists and mounts count too.</summary>
    public async Task<bool> CanReachAsync(string path, CancellationToken cancel) =>
        Name is null || (await RunAsync("test", ["-x", path], "/", Deadline, cancel)).Succeeded;

    /// <summary>Makes the user the owner of a folder and all below it; nothing to do without root.</summary>
    public async Task OwnAsync(string path, CancellationToken cancel)
    {
        if (Name is null || (await RunAsync("test", ["-O", path], "/", Deadline, cancel)).Succeeded)
        {
            return;
        }

        // -h: a link inside the folder must not hand a foreign file to the user.
        var owner = $"{Name}:{GroupOf(Name)}";
        var result = await Command.RunAsync("chown", ["-hR", owner, path], "/", Deadline, cancel: cancel);
        if (!result.Succeeded)
        {
            throw Failure.Folder(path, new IOException(result.Output.Trim()));
        }
    }

    // The primary group's number from /etc/passwd: its name may be another than the user's (nobody's is nogroup on Debian).
    private static string GroupOf(string user) =>
        File.ReadLines("/etc/passwd").Select(l => l.Split(':')).First(f => f[0] == user && f.Length > 3)[3];
}
