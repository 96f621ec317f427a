using System.Text;

namespace TenantDocs.LocalPostgres;

/// <summary>Where a cluster's Unix socket lies. The system limits a socket's path to about 107 bytes (103 on macOS).</summary>
internal static class SocketFolder
{
    private const int LongestPath = 100;
    private const string FileName = ".s.PGSQL.";

    public static string File(string folder, int port) => Path.Combine(folder, FileName + port);

    /// <summary>Called before a start. Below the cluster's folder, or a short folder of our own under the temporary folder; null on Windows.</summary>
    /// <param name="root">The cluster's folder.</param>
    /// <param name="remembered">The folder of the last start.</param>
    /// <param name="user">The server's user, who becomes its owner.</param>
    /// <param name="cancel">Cancels.</param>
    public static async Task<string?> PrepareAsync(
        string root,
        string? remembered,
        ServerUser user,
        CancellationToken cancel
    )
    {
        if (OperatingSystem.IsWindows())
        {
            return null;
        }

        var folder = Path.Combine(root, "socket");
        if (Encoding.UTF8.GetByteCount(File(folder, 65_535)) > LongestPath)
        {
            // A random name, made with mode 0700: nobody can have prepared it. The remembered one keeps connection strings valid.
            folder = Directory.Exists(remembered) ? remembered : Directory.CreateTempSubdirectory("td").FullName;
        }

        PrivateFile.CreateFolder(folder, PrivateFile.OwnerFolder);
        // The folder is this cluster's alone and its server does not run. What a killed one left carries its process number, and
        // PostgreSQL would refuse to start while any process has that number, be it another one or a dead one nobody waited for.
        foreach (var left in Directory.GetFiles(folder, FileName + "*"))
        {
            System.IO.File.Delete(left);
        }

        await user.OwnAsync(folder, cancel);
        return folder;
    }

    public static void RemoveShort(string root, string? folder)
    {
        if (folder is not null && !folder.StartsWith(root, StringComparison.Ordinal) && Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
