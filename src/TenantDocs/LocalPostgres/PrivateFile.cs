namespace TenantDocs.LocalPostgres;

/// <summary>Files that only this user may read (0600), and folders whose mode is chosen whatever the umask says.</summary>
internal static class PrivateFile
{
    public const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    public const UnixFileMode OwnerFolder = OwnerOnly | UnixFileMode.UserExecute;

    /// <summary>0711: others may pass through to what is theirs, without seeing what else is there.</summary>
    public const UnixFileMode PassableFolder = OwnerFolder | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Creates the file unless it exists.</summary>
    public static void Create(string path, string text)
    {
        try
        {
            using var writer = new StreamWriter(path, Options(FileMode.CreateNew));
            writer.Write(text);
        }
        catch (IOException) when (File.Exists(path))
        {
            // Another process was faster; the file is there, which is all that was asked.
        }
    }

    /// <summary>Replaces the file in one step: a reader sees the old text or the new, never half of it.</summary>
    public static void Replace(string path, string text)
    {
        var next = $"{path}.{Environment.ProcessId}.new";
        File.Delete(next);
        using (var writer = new StreamWriter(next, Options(FileMode.CreateNew)))
        {
            writer.Write(text);
        }

        File.Move(next, path, overwrite: true);
    }

    /// <summary>Creates a folder with exactly this mode; one that exists keeps its own.</summary>
    public static void CreateFolder(string path, UnixFileMode mode)
    {
        if (Directory.Exists(path))
        {
            return;
        }

        Directory.CreateDirectory(path);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, mode);
        }
    }

    private static FileStreamOptions Options(FileMode mode)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        return options;
    }
}
