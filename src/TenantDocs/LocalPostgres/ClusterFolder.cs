using System.Globalization;

namespace TenantDocs.LocalPostgres;

/// <summary>The files of one cluster. The folder is the host's; <c>data</c>, <c>log</c> and the socket folder are the server user's.</summary>
internal sealed class ClusterFolder(string root)
{
    public string Root => root;

    public string Data => Path.Combine(root, "data");

    /// <summary>Where initdb works; renamed to <see cref="Data"/> when complete, so that a killed initdb leaves no half cluster.</summary>
    public string Unfinished => Path.Combine(root, "data.unfinished");

    public string Log => Path.Combine(root, "log");

    /// <summary>What the server says before its log collector runs.</summary>
    public string StartLog => Path.Combine(Log, "start.log");

    public string PasswordFile => Path.Combine(root, "superuser.password");

    public string SettingsFile => Path.Combine(root, ServerSettings.FileName);

    /// <summary>Held shared by every host that uses the cluster.</summary>
    public string UseLock => Path.Combine(root, "in-use.lock");

    /// <summary>Major version that made the cluster; null before initdb.</summary>
    public int? MadeBy()
    {
        var file = Path.Combine(Data, "PG_VERSION");
        return File.Exists(file) ? int.Parse(File.ReadAllText(file).Trim(), CultureInfo.InvariantCulture) : null;
    }

    /// <summary>The end of what the server last said, wherever that was.</summary>
    public string LastWords() =>
        !Directory.Exists(Log)
            ? ""
            : string.Concat(Directory.GetFiles(Log, "*.log").OrderBy(File.GetLastWriteTimeUtc).TakeLast(2).Select(End));

    private static string End(string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        stream.Seek(-Math.Min(stream.Length, 4000), SeekOrigin.End);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
