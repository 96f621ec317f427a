using System.Text.RegularExpressions;

namespace TenantDocs.LocalPostgres;

/// <summary>Where and how the embedded clusters run. Section <c>LocalPostgres</c>; used only when no connection string is configured.</summary>
public sealed partial class LocalPostgresOptions
{
    /// <summary>Name of the configuration section.</summary>
    public const string Section = "LocalPostgres";

    /// <summary>Folder of the clusters, relative to the current directory. Default <c>.tenantdocs</c>.</summary>
    public string DataFolder { get; set; } = ".tenantdocs";

    /// <summary>Folder with <c>postgres</c>, <c>initdb</c> and <c>pg_ctl</c>; when set, nothing else is searched. Default: search.</summary>
    public string? BinFolder { get; set; }

    /// <summary>Names of the clusters (a-z, 0-9, hyphen). Empty, the default, means <c>local-1</c> and <c>local-2</c>.</summary>
    /// <remarks>Empty by default because the configuration binder adds to a list instead of replacing it.</remarks>
    public IList<string> Clusters { get; } = [];

    /// <summary>Further lines of postgresql.conf, name to value; they win over the room's own, except for the address.</summary>
    public IDictionary<string, string> Settings { get; } =
        new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);

    /// <summary><c>max_connections</c> of each cluster. Default 100.</summary>
    public int MaxConnections { get; set; } = 100;

    /// <summary>Gives up crash safety for speed (fsync off): for tests, whose data nobody misses. Default false.</summary>
    public bool Fast { get; set; }

    internal string FullDataFolder => Path.TrimEndingDirectorySeparator(Path.GetFullPath(DataFolder));

    internal IReadOnlyList<string> ClusterNames => Clusters.Count == 0 ? ["local-1", "local-2"] : [.. Clusters];

    /// <summary>What is wrong with these options, in words; empty when nothing is.</summary>
    public IReadOnlyList<string> Problems()
    {
        var problems = new List<string>();
        if (string.IsNullOrWhiteSpace(DataFolder))
        {
            problems.Add("LocalPostgres:DataFolder is empty.");
        }

        if (MaxConnections is < 10 or > 10_000)
        {
            problems.Add($"LocalPostgres:MaxConnections is {MaxConnections}; it must be 10 to 10000.");
        }

        problems.AddRange(
            ClusterNames
                .Where(n => !ClusterName().IsMatch(n))
                .Select(n => $"LocalPostgres:Clusters: '{n}' is not a name.")
        );
        if (ClusterNames.Distinct(StringComparer.Ordinal).Count() != ClusterNames.Count)
        {
            problems.Add("LocalPostgres:Clusters names a cluster twice.");
        }

        foreach (var (name, value) in Settings)
        {
            if (!SettingName().IsMatch(name) || value.AsSpan().ContainsAny('\n', '\r', '\0'))
            {
                problems.Add($"LocalPostgres:Settings: '{name}' is not a setting of one line.");
            }
            else if (ServerSettings.Reserved.Contains(name))
            {
                problems.Add(
                    $"LocalPostgres:Settings: '{name}' is chosen by the room, which must find the cluster again."
                );
            }
        }

        return problems;
    }

    [GeneratedRegex("^[a-z0-9](-?[a-z0-9]){0,39}\\z")]
    private static partial Regex ClusterName();

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_.]*\\z")]
    private static partial Regex SettingName();
}
