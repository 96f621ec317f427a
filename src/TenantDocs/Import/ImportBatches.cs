using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.Import;

/// <summary>
/// Turns files into edits and writes them. Unchanged files cost one round trip per batch, new ones two, changed ones three.
/// </summary>
internal sealed class ImportBatches(
    IDocumentRepository documents,
    TenantRoutes routes,
    int maxBodyBytes,
    Tenant tenant,
    ImportOptions import,
    DocumentLimits limits,
    ImportTally tally
)
{
    // Front matter comes on top of the body.
    private const int FrontMatterBytes = 256 * 1024;
    private const int MaxAttempts = 6;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);

    private readonly DocumentWrite _write = new() { Actor = import.Actor, Limits = limits };

    public async Task RunAsync(IReadOnlyList<FolderEntry> entries, CancellationToken cancellationToken)
    {
        var files = new List<ImportFile>(entries.Count);
        foreach (var entry in entries)
        {
            if (await ReadAsync(entry, cancellationToken) is { } file)
            {
                files.Add(file);
            }
        }

        if (files.Count > 0)
        {
            await WriteAsync(files, cancellationToken);
        }

        tally.Done(entries);
    }

    public async Task PruneAsync(IReadOnlyList<Document> gone, CancellationToken cancellationToken)
    {
        if (import.DryRun || gone.Count == 0)
        {
            tally.Add(new ImportReport { Pruned = gone.Count });
            return;
        }

        foreach (var part in gone.Chunk(import.Batch))
        {
            var whole = await documents.FindManyAsync(tenant, [.. part.Select(d => d.Id)], true, cancellationToken);
            var edits = whole
                .Values.Where(d => d.DeletedAt is null)
                .Select(d => new DocumentEdit(d.Id, d, null))
                .ToList();
            var written = await documents.WriteManyAsync(tenant, edits, _write, cancellationToken);
            if (written.Error is { } error)
            {
                tally.Stop(error);
                return;
            }

            tally.Add(new ImportReport { Pruned = written.Value.Count });
        }
    }

    private async Task<ImportFile?> ReadAsync(FolderEntry entry, CancellationToken cancellationToken)
    {
        var (bytes, fault) = await FileText.ReadAsync(entry, maxBodyBytes + FrontMatterBytes, cancellationToken);
        ImportFile? file = null;
        if (bytes is not null)
        {
            (file, fault) = ImportFile.Of(entry, bytes, import, maxBodyBytes);
        }

        if (file is null)
        {
            tally.Skip(entry.Path, fault!);
        }

        foreach (var warning in file?.Warnings ?? [])
        {
            tally.Warn(entry.Path, warning);
        }

        return file;
    }

    /// <summary>
    /// A batch that lost a race, or whose connection was lost, starts over from what is there now. Whether a lost one
    /// had been committed does not matter: its files are then found unchanged.
    /// </summary>
    private async Task WriteAsync(List<ImportFile> files, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var (counts, error) = await OnceAsync(files, cancellationToken);
                if (error is null)
                {
                    tally.Add(counts);
                    return;
                }

                if (error.Code == "quota-exceeded" && files.Count > 1)
                {
                    // The plan is filled as far as it goes: in halves, in order.
                    await WriteAsync([.. files.Take(files.Count / 2)], cancellationToken);
                    if (tally.Stopped is null)
                    {
                        await WriteAsync([.. files.Skip(files.Count / 2)], cancellationToken);
                    }

                    return;
                }

                if (error.Code != "conflict" || attempt == MaxAttempts)
                {
                    tally.Stop(error);
                    return;
                }
            }
            catch (NpgsqlException e) when (e.IsTransient && attempt < MaxAttempts)
            {
                await Task.Delay(FirstPause * (1 << attempt), cancellationToken);
            }
        }
    }

    private async Task<(ImportReport Counts, Error? Error)> OnceAsync(
        List<ImportFile> files,
        CancellationToken cancellationToken
    )
    {
        var known = await documents.FindManyAsync(tenant, [.. files.Select(f => f.Id)], false, cancellationToken);
        var plan = files.Select(f => ImportEdit.For(f, known.GetValueOrDefault(f.Id), import)).ToList();
        if (import.DryRun)
        {
            return (Count(plan), null);
        }

        plan = await WithBodiesAsync(plan, cancellationToken);
        var edits = plan.Where(e => e.Writes).Select(e => e.ToDocumentEdit(import)).ToList();
        // Not as it was when the import began: documents are written in the language that the tenant has by now.
        var current = await routes.FindAsync(tenant.Id, cancellationToken) ?? tenant;
        var written = await documents.WriteManyAsync(current, edits, _write, cancellationToken);
        if (written.Error is { } error)
        {
            return (new ImportReport(), error);
        }

        // What was written again with the same content has no new version: it is unchanged after all.
        var ids = written.Value.Select(d => d.Id).ToHashSet();
        return (
            Count(
                plan.ConvertAll(e => ids.Contains(e.File.Id) || !e.Writes ? e : e with { Action = ImportAction.Leave })
            ),
            null
        );
    }

    /// <summary>Reads again, and whole, the documents that are to be changed; the decision is made on what is there now.</summary>
    private async Task<List<ImportEdit>> WithBodiesAsync(List<ImportEdit> plan, CancellationToken cancellationToken)
    {
        var changing = plan.Where(e => e is { Writes: true, Before: not null }).Select(e => e.File.Id).ToList();
        if (changing.Count == 0)
        {
            return plan;
        }

        var whole = await documents.FindManyAsync(tenant, changing, true, cancellationToken);
        return plan.ConvertAll(e =>
            e is { Writes: true, Before: not null }
                ? ImportEdit.For(e.File, whole.GetValueOrDefault(e.File.Id), import)
                : e
        );
    }

    private static ImportReport Count(List<ImportEdit> plan)
    {
        int Of(ImportAction action) => plan.Count(e => e.Action == action);
        return new ImportReport
        {
            Created = Of(ImportAction.Create),
            Updated = Of(ImportAction.Update) + Of(ImportAction.Touch),
            Restored = Of(ImportAction.Restore),
            Unchanged = Of(ImportAction.Leave),
            LeftInTrash = Of(ImportAction.LeaveInTrash),
        };
    }
}
