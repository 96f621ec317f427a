using Microsoft.Extensions.Options;
using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.Import;

/// <summary>
/// Imports a folder of Markdown, text and HTML into a tenant, in batches that are each one transaction. It keeps no state
/// of its own: a document's id says which file it is, and its metadata says which bytes it was made of. So an import that
/// was killed is resumed, and a finished one repeated, by running it again.
/// </summary>
/// <remarks>
/// A file whose bytes did not change since its last import leaves its document alone, whatever people made of it since.
/// A changed file makes one new version; the collection, and a status that the file does not say, stay as they are.
/// A document that people put into the trash stays there.
/// </remarks>
public sealed class FolderImport(
    IDocumentRepository documents,
    TenantRoutes routes,
    IOptions<DocumentsOptions> options,
    IOptions<TiersOptions> tiers,
    TimeProvider time
)
{
    // A batch of large files is sent in parts of this size: a statement's parameters are held in memory on both sides.
    private const long MaxBatchBytes = 8 * 1024 * 1024;
    private const int PrunePage = 500;

    /// <summary>Runs the import to its end, or to the first error that concerns all of it.</summary>
    /// <param name="tenant">Where to.</param>
    /// <param name="import">What and how.</param>
    /// <param name="progress">Told after each batch, from any thread.</param>
    /// <param name="cancellationToken">Stops after the batches that are on their way; what they wrote is kept.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="Isolation.TenantUnavailableException">The tenant admits no writes; what was written before is kept.</exception>
    public async Task<ImportReport> RunAsync(
        Tenant tenant,
        ImportOptions import,
        IProgress<ImportProgress>? progress,
        CancellationToken cancellationToken
    )
    {
        var start = time.GetTimestamp();
        import = Complete(import);
        var walk = FolderWalk.Of(import.Folder, cancellationToken);
        var tally = new ImportTally(walk, progress);
        var batches = new ImportBatches(documents, routes, MaxBody(tenant), tenant, import, LimitsOf(tenant), tally);
        await Parallel.ForEachAsync(
            Parts(walk.Files, import.Batch),
            new ParallelOptions { MaxDegreeOfParallelism = import.Parallel, CancellationToken = cancellationToken },
            async (part, token) =>
            {
                if (tally.Stopped is null)
                {
                    await batches.RunAsync(part, token);
                }
            }
        );
        if (import.Prune && tally.Stopped is null)
        {
            await PruneAsync(walk, batches, tally, tenant, import, cancellationToken);
        }

        return tally.Report(time.GetElapsedTime(start));
    }

    private DocumentLimits LimitsOf(Tenant tenant)
    {
        var limits = tiers.Value.LimitsOf(tenant.Tier);
        return new DocumentLimits(limits.Documents, limits.Bytes, limits.BodyBytes);
    }

    private int MaxBody(Tenant tenant) =>
        (int)Math.Min(options.Value.MaxBodyBytes, LimitsOf(tenant).BodyBytes ?? int.MaxValue);

    private static ImportOptions Complete(ImportOptions import)
    {
        if (!Directory.Exists(import.Folder))
        {
            throw new DirectoryNotFoundException($"There is no folder '{import.Folder}'.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(import.Batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(import.Parallel, 1);
        if (import.Source.Length > 0)
        {
            return import;
        }

        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(import.Folder)));
        return import with { Source = name.Length > 0 ? name : "root" };
    }

    private static IEnumerable<List<FolderEntry>> Parts(IReadOnlyList<FolderEntry> files, int most)
    {
        var part = new List<FolderEntry>();
        var bytes = 0L;
        foreach (var file in files)
        {
            if (part.Count > 0 && (part.Count == most || bytes + file.Length > MaxBatchBytes))
            {
                yield return part;
                (part, bytes) = ([], 0);
            }

            part.Add(file);
            bytes += file.Length;
        }

        if (part.Count > 0)
        {
            yield return part;
        }
    }

    /// <summary>To the trash: what an import of this source made, and whose file is not there any more.</summary>
    private async Task PruneAsync(
        FolderWalk walk,
        ImportBatches batches,
        ImportTally tally,
        Tenant tenant,
        ImportOptions import,
        CancellationToken cancellationToken
    )
    {
        if (!walk.IsComplete || walk.Files.Count == 0)
        {
            // A folder that is not mounted looks like one whose files were all deleted.
            tally.Warn(".", "Nothing was pruned: the folder is empty, or a part of it could not be read.");
            return;
        }

        var present = walk
            .Files.Select(f => f.Path)
            .Concat(walk.Skipped.Select(s => s.Path))
            .Select(path => ImportIdentity.Of(import.Source, path))
            .ToHashSet();
        var after = Guid.Empty;
        while (true)
        {
            var page = await documents.ListSourceAsync(tenant, import.Source, after, PrunePage, cancellationToken);
            var gone = page.Where(d => !present.Contains(d.Id) && IsImported(d, import.Source)).ToList();
            await batches.PruneAsync(gone, cancellationToken);
            if (page.Count < PrunePage || tally.Stopped is not null)
            {
                return;
            }

            after = page[^1].Id;
        }
    }

    /// <summary>Not every document whose metadata looks like an import's is one: the id must fit, too.</summary>
    private static bool IsImported(Document document, string source) =>
        ImportOrigin.Read(document) is { } origin && ImportIdentity.Of(source, origin.Path) == document.Id;
}
