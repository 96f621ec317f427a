using System.Globalization;
using System.Text;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>
/// What one run of a command about moves found: a section of a file that has one for each set-up. A later run of the same
/// set-up replaces its own section only.
/// </summary>
/// <param name="settings">The set-up.</param>
/// <param name="postgres">Measured on.</param>
internal sealed class MoveReport(MoveSettings settings, Version postgres) : FigureTable("###")
{
    private const string Preamble = """
        # Moves under load: results

        Each section is written by the command in its heading with `--out tests/TenantDocs.Benchmarks/MOVES.md`; run again, it replaces
        its own section and no other. Clients, hosts and two embedded PostgreSQL clusters with the settings that users get (fsync,
        synchronous_commit and full_page_writes on, wal_level logical, data checksums; only max_connections is raised to 200) share the
        processors and one disk, so the clients' own share is in every figure. A section is a single run.

        """;

    private readonly DateTimeOffset _began = TimeProvider.System.GetUtcNow();
    private readonly string _load = Machine.Load();

    /// <summary>Prints the section, and writes it to the file that was asked for.</summary>
    /// <param name="what">What was done, in words.</param>
    public async Task WriteAsync(string what)
    {
        var text = new StringBuilder();
        var duration = TimeProvider.System.GetUtcNow() - _began;
        text.Append(
            CultureInfo.InvariantCulture,
            $"""
            ## `{settings.Command}`

            {_began:yyyy-MM-dd HH:mm} UTC, {duration:h\:mm\:ss}. {Machine.Describe(postgres)}
            Load average when it began: {_load}.

            {what}


            """
        );
        AppendTo(text);
        Console.WriteLine(text);
        if (settings.Out is { } file)
        {
            await ReplaceAsync(file, text.ToString());
        }
    }

    private static async Task ReplaceAsync(string file, string section)
    {
        var found = File.Exists(file) ? SectionsOf(await File.ReadAllTextAsync(file)) : [];
        var heading = HeadingOf(section);
        var place = found.FindIndex(s => HeadingOf(s) == heading);
        if (place >= 0)
        {
            found[place] = section;
        }
        else
        {
            found.Add(section);
        }

        await File.WriteAllTextAsync(file, string.Join("\n", [Preamble, .. found.Select(s => s.TrimEnd('\n') + "\n")]));
    }

    private static List<string> SectionsOf(string text)
    {
        var sections = new List<string>();
        foreach (var line in text.TrimEnd('\n').Split('\n'))
        {
            if (line.StartsWith("## ", StringComparison.Ordinal))
            {
                sections.Add(line + "\n");
            }
            else if (sections.Count > 0)
            {
                sections[^1] += line + "\n";
            }
        }

        return sections;
    }

    private static string HeadingOf(string section) => section[..section.IndexOf('\n', StringComparison.Ordinal)];
}
