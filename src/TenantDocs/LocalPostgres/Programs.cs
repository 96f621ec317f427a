namespace TenantDocs.LocalPostgres;

/// <summary>Finds programs on a search path.</summary>
internal static class Programs
{
    // Root's PATH may lack the sbin folders (su without a dash), and runuser lives there.
    private static readonly string[] Always = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

    public static string? Find(string name) =>
        Find(name, [.. Folders(Environment.GetEnvironmentVariable("PATH")), .. Always]);

    public static string? Find(string name, IEnumerable<string> folders) =>
        folders.SelectMany(f => Names(name).Select(n => Path.Combine(f, n))).FirstOrDefault(File.Exists);

    public static IEnumerable<string> Folders(string? path) =>
        (path ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Where(Path.IsPathFullyQualified);

    private static string[] Names(string name) => OperatingSystem.IsWindows() ? [name + ".exe", name + ".cmd"] : [name];
}
