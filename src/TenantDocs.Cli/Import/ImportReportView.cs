using TenantDocs.Catalog;
using TenantDocs.Import;

namespace TenantDocs.Cli.Import;

/// <summary>An import's report: for people a table with what was left out, for programs all of it.</summary>
internal static class ImportReportView
{
    // A folder of ten thousand faulty files must not hide the sum below them.
    private const int MostNotes = 50;

    public static void Write(Terminal terminal, Tenant tenant, ImportOptions import, ImportReport report)
    {
        if (!terminal.Json)
        {
            Notes(terminal, "warning", report.Warnings);
            Notes(terminal, "skipped", report.Skipped);
        }

        var seconds = Math.Max(report.Elapsed.TotalSeconds, 0.001);
        terminal.Show(
            new
            {
                Tenant = tenant.Slug,
                import.Folder,
                import.DryRun,
                report.Files,
                report.Bytes,
                report.Created,
                report.Updated,
                report.Restored,
                report.Unchanged,
                report.LeftInTrash,
                report.Pruned,
                report.Skipped,
                report.Warnings,
                Stopped = report.Stopped?.Detail,
                Seconds = Math.Round(seconds, 3),
            },
            ("tenant", $"{tenant.Slug} ({tenant.Placement.Isolation.ToText()})"),
            ("would be", import.DryRun ? "this is a dry run: nothing was written" : null),
            ("files", $"{report.Files} ({report.Bytes:N0} bytes)"),
            ("created", report.Created),
            ("updated", report.Updated),
            ("restored", Unless0(report.Restored)),
            ("unchanged", report.Unchanged),
            (
                "in trash",
                report.LeftInTrash > 0 ? $"{report.LeftInTrash}, left there (--force brings them back)" : null
            ),
            ("pruned", import.Prune ? report.Pruned : null),
            ("warnings", Unless0(report.Warnings.Count)),
            ("skipped", report.Skipped.Count),
            ("time", $"{seconds:0.0} s, {report.Files / seconds:0} files/s")
        );
        if (report.Stopped is { } error)
        {
            terminal.Say(
                $"error: {error.Detail} ({error.Code}) What is counted above was kept; the rest was not imported."
            );
        }
        else if (report.Skipped.Count > 0)
        {
            terminal.Say($"{report.Skipped.Count} could not be read and were skipped; everything else is imported.");
        }
    }

    private static string? Unless0(int count) => count == 0 ? null : $"{count}";

    private static void Notes(Terminal terminal, string kind, IReadOnlyList<ImportNote> notes)
    {
        foreach (var note in notes.Take(MostNotes))
        {
            terminal.Say($"{kind}: {note.Path}: {note.Text}");
        }

        if (notes.Count > MostNotes)
        {
            terminal.Say($"{kind}: … and {notes.Count - MostNotes} more; all of them with --output json");
        }
    }
}
