using System.Diagnostics.CodeAnalysis;

namespace TenantDocs.LocalPostgres;

/// <summary>
/// A lock between processes that the operating system takes back from a killed one: flock on Unix and a share mode on Windows, both of which
/// .NET puts behind <see cref="FileShare"/>. Child processes do not inherit it (.NET opens files close-on-exec).
/// </summary>
internal static class FileLock
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(40);

    /// <summary>Many may hold it at a time.</summary>
    public static FileStream Shared(string path) => Open(path, FileAccess.Read, FileShare.Read);

    /// <summary>One holds it; waits for the others until the deadline.</summary>
    public static async Task<FileStream> ExclusiveAsync(
        string path,
        TimeSpan deadline,
        TimeProvider time,
        CancellationToken cancel
    )
    {
        var start = time.GetTimestamp();
        while (true)
        {
            if (TryExclusive(path, out var held))
            {
                return held;
            }

            if (time.GetElapsedTime(start) > deadline)
            {
                throw new LocalPostgresException(
                    $"""
                    Another host has been starting or stopping the local clusters for {deadline}: it holds {path}.
                    Nothing was changed. Wait for it or end it, then start again.
                    """
                );
            }

            await Task.Delay(Pause, time, cancel);
        }
    }

    public static bool TryExclusive(string path, [NotNullWhen(true)] out FileStream? held)
    {
        try
        {
            held = Open(path, FileAccess.ReadWrite, FileShare.None);
            return true;
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or PathTooLongException) && File.Exists(path))
        {
            held = null;
            return false;
        }
    }

    private static FileStream Open(string path, FileAccess access, FileShare share)
    {
        if (!File.Exists(path))
        {
            PrivateFile.Create(path, "");
        }

        return new FileStream(path, FileMode.Open, access, share);
    }
}
