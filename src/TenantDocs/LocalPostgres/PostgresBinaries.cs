using System.Globalization;
using System.Text.RegularExpressions;

namespace TenantDocs.LocalPostgres;

/// <summary>A folder with the three programs of one PostgreSQL version. psql alone, as /usr/bin has it on Debian, is not enough.</summary>
internal sealed partial record PostgresBinaries(string Folder, Version Version)
{
    /// <summary>15 has what the platform needs: row filters in publications came with it.</summary>
    public const int Oldest = 15;

    private static readonly string[] Needed = ["postgres", "initdb", "pg_ctl"];

    public string Initdb => Path.Combine(Folder, "initdb");

    public string PgCtl => Path.Combine(Folder, "pg_ctl");

    public static bool AreIn(string folder) => Needed.All(n => Programs.Find(n, [folder]) is not null);

    /// <summary>Asks <c>postgres --version</c>, which also proves that it runs here (right processor, libraries found).</summary>
    public static async Task<(PostgresBinaries? Found, string Why)> ProbeAsync(
        string folder,
        ServerUser user,
        CancellationToken cancel
    )
    {
        if (!AreIn(folder))
        {
            return (null, "no postgres, initdb and pg_ctl there");
        }

        if (!await user.CanReachAsync(Path.Combine(folder, "postgres"), cancel))
        {
            return (null, $"user {user.Name}, who has to run it because PostgreSQL refuses root, cannot reach it");
        }

        var said = await user.RunAsync(
            Path.Combine(folder, "postgres"),
            ["--version"],
            folder,
            TimeSpan.FromSeconds(20),
            cancel
        );
        var match = VersionText().Match(said.Output);
        if (!said.Succeeded || !match.Success)
        {
            return (null, "postgres --version failed: " + said.Output.Trim());
        }

        var version = new Version(Number(match.Groups[1]), match.Groups[2].Success ? Number(match.Groups[2]) : 0);
        return version.Major < Oldest
            ? (null, $"PostgreSQL {version}, older than {Oldest}")
            : (new PostgresBinaries(folder, version), $"PostgreSQL {version}");
    }

    private static int Number(Group group) => int.Parse(group.ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\(PostgreSQL\) (\d+)(?:\.(\d+))?")]
    private static partial Regex VersionText();
}
