namespace TenantDocs.Import;

/// <summary>The kinds of files that are imported.</summary>
internal enum FileKind
{
    Markdown,
    Text,
    Html,
}

/// <summary>A file to import.</summary>
/// <param name="Path">Relative to the folder, with <c>/</c>.</param>
/// <param name="FullPath">Where it is.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Kind">By its extension.</param>
internal sealed record FolderEntry(string Path, string FullPath, long Length, FileKind Kind);

/// <summary>
/// Lists the files of a folder and of all folders below it, in the byte order of their paths. What cannot be read is noted
/// and passed over. Links to files are followed; links to folders too, but each real folder is entered only once.
/// </summary>
internal sealed class FolderWalk
{
    private static readonly Dictionary<string, FileKind> Kinds = new(StringComparer.OrdinalIgnoreCase)
    {
        [".md"] = FileKind.Markdown,
        [".markdown"] = FileKind.Markdown,
        [".txt"] = FileKind.Text,
        [".text"] = FileKind.Text,
        [".html"] = FileKind.Html,
        [".htm"] = FileKind.Html,
    };

    // Version control keeps copies of what is imported beside them.
    private static readonly string[] PassedOver = [".git", ".hg", ".svn"];

    private readonly HashSet<string> _entered = new(StringComparer.Ordinal);
    private readonly List<FolderEntry> _files = [];
    private readonly List<ImportNote> _skipped = [];
    private readonly List<ImportNote> _warnings = [];
    private readonly string _root;

    private FolderWalk(string root) => _root = root;

    public IReadOnlyList<FolderEntry> Files => _files;

    public IReadOnlyList<ImportNote> Skipped => _skipped;

    public IReadOnlyList<ImportNote> Warnings => _warnings;

    /// <summary>False when a folder could not be read: what is not listed may still be there.</summary>
    public bool IsComplete { get; private set; } = true;

    public static FolderWalk Of(string folder, CancellationToken cancellationToken)
    {
        var walk = new FolderWalk(RealPath(new DirectoryInfo(folder)) ?? Path.GetFullPath(folder));
        walk.Enter(new DirectoryInfo(folder), "", cancellationToken);
        walk._files.Sort((a, b) => string.CompareOrdinal(a.Path, b.Path));
        return walk;
    }

    private void Enter(DirectoryInfo folder, string prefix, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _entered.Add(RealPath(folder) ?? folder.FullName);
        List<FileSystemInfo> entries;
        try
        {
            entries = [.. folder.EnumerateFileSystemInfos().OrderBy(e => e.Name, StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            IsComplete = false;
            _skipped.Add(new ImportNote(prefix.Length == 0 ? "." : prefix, FileText.Reason(e, "folder")));
            return;
        }

        foreach (var entry in entries)
        {
            Visit(entry, prefix.Length == 0 ? entry.Name : $"{prefix}/{entry.Name}", cancellationToken);
        }
    }

    private void Visit(FileSystemInfo entry, string path, CancellationToken cancellationToken)
    {
        try
        {
            var target = entry;
            if (entry.LinkTarget is not null)
            {
                target = entry.ResolveLinkTarget(returnFinalTarget: true);
            }

            if (target is DirectoryInfo folder)
            {
                VisitFolder(entry, folder, path, cancellationToken);
            }
            else if (Kinds.TryGetValue(Path.GetExtension(entry.Name), out var kind))
            {
                VisitFile(entry, target, path, kind);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A link in a circle of links, among others.
            if (Kinds.ContainsKey(Path.GetExtension(entry.Name)))
            {
                _skipped.Add(new ImportNote(path, FileText.Reason(e, "file")));
            }
            else
            {
                _warnings.Add(new ImportNote(path, FileText.Reason(e, "link")));
            }
        }
    }

    private void VisitFolder(
        FileSystemInfo entry,
        DirectoryInfo folder,
        string path,
        CancellationToken cancellationToken
    )
    {
        if (PassedOver.Contains(entry.Name))
        {
            return;
        }

        var isLink = entry.LinkTarget is not null;
        if (isLink && !folder.Exists)
        {
            _warnings.Add(new ImportNote(path, "The link leads nowhere."));
            return;
        }

        if (isLink && (IsInside(RealPath(folder)!) || _entered.Contains(RealPath(folder)!)))
        {
            _warnings.Add(
                new ImportNote(path, "The link leads to a folder that is imported anyway; it is not followed.")
            );
            return;
        }

        if (_entered.Contains(RealPath(folder) ?? folder.FullName))
        {
            return;
        }

        Enter(folder, path, cancellationToken);
    }

    private void VisitFile(FileSystemInfo entry, FileSystemInfo? target, string path, FileKind kind)
    {
        if (target is not FileInfo { Exists: true } file)
        {
            _skipped.Add(new ImportNote(path, "The link leads nowhere."));
            return;
        }

        _files.Add(new FolderEntry(path, entry.FullName, file.Length, kind));
    }

    /// <summary>The folder itself or one around it (a circle), or one below it (listed under its own path).</summary>
    private bool IsInside(string real)
    {
        var folder = Path.TrimEndingDirectorySeparator(real) + Path.DirectorySeparatorChar;
        var root = Path.TrimEndingDirectorySeparator(_root) + Path.DirectorySeparatorChar;
        return folder.StartsWith(root, StringComparison.Ordinal) || root.StartsWith(folder, StringComparison.Ordinal);
    }

    /// <summary>The path with every link in it resolved.</summary>
    private static string? RealPath(DirectoryInfo folder)
    {
        var path = Path.GetPathRoot(folder.FullName);
        foreach (var part in Path.GetRelativePath(path!, folder.FullName).Split(Path.DirectorySeparatorChar))
        {
            if (part is "" or ".")
            {
                continue;
            }

            var next = new DirectoryInfo(Path.Combine(path!, part));
            path = (next.LinkTarget is null ? next : next.ResolveLinkTarget(returnFinalTarget: true))?.FullName;
            if (path is null)
            {
                return null;
            }
        }

        return Path.TrimEndingDirectorySeparator(path!);
    }
}
