namespace TenantDocs.Import;

/// <summary>Counts what an import does, from several batches at a time.</summary>
internal sealed class ImportTally(FolderWalk walk, IProgress<ImportProgress>? progress)
{
    private readonly Lock _lock = new();
    private readonly List<ImportNote> _skipped = [.. walk.Skipped];
    private readonly List<ImportNote> _warnings = [.. walk.Warnings];
    private readonly long _totalBytes = walk.Files.Sum(f => f.Length);
    private ImportReport _sum = new();
    private int _files;
    private long _bytes;

    /// <summary>Why no further batch is begun.</summary>
    public Error? Stopped => _sum.Stopped;

    public void Skip(string path, string reason) => Locked(() => _skipped.Add(new ImportNote(path, reason)));

    public void Warn(string path, string text) => Locked(() => _warnings.Add(new ImportNote(path, text)));

    public void Stop(Error error) => Locked(() => _sum = _sum with { Stopped = _sum.Stopped ?? error });

    public void Add(ImportReport part) =>
        Locked(() =>
            _sum = _sum with
            {
                Created = _sum.Created + part.Created,
                Updated = _sum.Updated + part.Updated,
                Restored = _sum.Restored + part.Restored,
                Unchanged = _sum.Unchanged + part.Unchanged,
                LeftInTrash = _sum.LeftInTrash + part.LeftInTrash,
                Pruned = _sum.Pruned + part.Pruned,
            }
        );

    public void Done(IReadOnlyList<FolderEntry> files) =>
        Locked(() =>
        {
            _files += files.Count;
            _bytes += files.Sum(f => f.Length);
            progress?.Report(new ImportProgress(_files, walk.Files.Count, _bytes, _totalBytes));
        });

    public ImportReport Report(TimeSpan elapsed) =>
        _sum with
        {
            Files = walk.Files.Count,
            Bytes = _totalBytes,
            Skipped = [.. _skipped.OrderBy(n => n.Path, StringComparer.Ordinal)],
            Warnings = [.. _warnings.OrderBy(n => n.Path, StringComparer.Ordinal)],
            Elapsed = elapsed,
        };

    private void Locked(Action change)
    {
        lock (_lock)
        {
            change();
        }
    }
}
