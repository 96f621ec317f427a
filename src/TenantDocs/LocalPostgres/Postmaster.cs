using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace TenantDocs.LocalPostgres;

/// <summary>The lock file <c>postmaster.pid</c> of a data directory: who runs (or ran) on it, and where that process listens.</summary>
/// <param name="ProcessId">Line 1.</param>
/// <param name="Port">Line 4.</param>
/// <param name="SocketFolder">Line 5; empty without sockets.</param>
internal sealed record Postmaster(int ProcessId, int Port, string SocketFolder)
{
    public static string LockFile(string dataDirectory) => Path.Combine(dataDirectory, "postmaster.pid");

    /// <summary>Null without a lock file, or while it is being written.</summary>
    public static Postmaster? Read(string dataDirectory)
    {
        var file = LockFile(dataDirectory);
        if (!File.Exists(file))
        {
            return null;
        }

        try
        {
            var lines = File.ReadAllLines(file);
            return lines.Length > 0 && int.TryParse(lines[0], CultureInfo.InvariantCulture, out var process)
                ? new Postmaster(
                    Math.Abs(process),
                    lines.Length > 3 && int.TryParse(lines[3], CultureInfo.InvariantCulture, out var port) ? port : 0,
                    lines.Length > 4 ? lines[4].Trim() : ""
                )
                : null;
        }
        catch (FileNotFoundException)
        {
            // It stopped between the two calls.
            return null;
        }
    }

    /// <summary>
    /// Whether the process lives and can be the server of this directory. A number alone proves nothing: it may belong to another process by
    /// now, or to a dead one that nobody has waited for (a container without init).
    /// </summary>
    public bool Runs(string dataDirectory) =>
        OperatingSystem.IsLinux() ? RunsOnLinux(dataDirectory) : RunsElsewhere(dataDirectory);

    private bool RunsOnLinux(string dataDirectory)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{ProcessId}/stat");
            if (stat[(stat.LastIndexOf(')') + 2)..] is ['Z' or 'X', ..])
            {
                return false;
            }

            var program = File.ReadAllText($"/proc/{ProcessId}/cmdline").Split('\0')[0];
            if (Path.GetFileName(program) is not ("postgres" or "postmaster"))
            {
                return false;
            }

            // The postmaster works inside its data directory. When its folder may not be read, it could be ours: assume so.
            return new FileInfo($"/proc/{ProcessId}/cwd").LinkTarget is not { } at || SamePlace(at, dataDirectory);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            return Exists();
        }
    }

    // /proc shows the path without links, ours may have some: compare what is in the two folders instead.
    private static bool SamePlace(string at, string dataDirectory)
    {
        if (at == dataDirectory)
        {
            return true;
        }

        var (theirs, ours) = (LockFile(at), LockFile(dataDirectory));
        return File.Exists(theirs) && File.ReadAllText(theirs) == File.ReadAllText(ours);
    }

    private bool RunsElsewhere(string dataDirectory)
    {
        try
        {
            using var process = Process.GetProcessById(ProcessId);
            if (process.HasExited || !process.ProcessName.StartsWith("post", StringComparison.OrdinalIgnoreCase))
            {
                return false;
            }

            if (OperatingSystem.IsWindows() || Programs.Find("ps") is not { } ps)
            {
                return true;
            }

            using var asked = Process.Start(
                new ProcessStartInfo(ps, ["-o", "args=", "-p", $"{ProcessId}"]) { RedirectStandardOutput = true }
            )!;
            return asked.StandardOutput.ReadToEnd().Contains(dataDirectory, StringComparison.Ordinal);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or Win32Exception)
        {
            return Exists();
        }
    }

    private bool Exists()
    {
        try
        {
            using var process = Process.GetProcessById(ProcessId);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
