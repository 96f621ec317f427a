namespace TenantDocs.Import;

/// <summary>What to import, and how.</summary>
public sealed record ImportOptions
{
    /// <summary>The folder; read with all folders below it.</summary>
    public required string Folder { get; init; }

    /// <summary>Name of the source, part of each document's identity. Default: the folder's name.</summary>
    public string Source { get; init; } = "";

    /// <summary>Tags that every document gets beside those of its front matter.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>The collection that every document is put in; null leaves documents where they are.</summary>
    public Guid? CollectionId { get; init; }

    /// <summary>Reads and compares everything, writes nothing.</summary>
    public bool DryRun { get; init; }

    /// <summary>Writes documents again although their files did not change since the last import.</summary>
    public bool Force { get; init; }

    /// <summary>Puts documents of this source whose files are gone into the trash.</summary>
    public bool Prune { get; init; }

    /// <summary>Documents per transaction; fewer when they are large. Default 100.</summary>
    public int Batch { get; init; } = 100;

    /// <summary>Transactions at a time. Default 1: the documents' times then follow the order of their paths.</summary>
    public int Parallel { get; init; } = 1;

    /// <summary>Who is said to have written.</summary>
    public string Actor => $"import:{Source}";
}

/// <summary>How far an import is.</summary>
/// <param name="Files">Files that are done.</param>
/// <param name="TotalFiles">Of so many.</param>
/// <param name="Bytes">Bytes of the files that are done.</param>
/// <param name="TotalBytes">Of so many.</param>
public readonly record struct ImportProgress(int Files, int TotalFiles, long Bytes, long TotalBytes);

/// <summary>Something to say about a file or folder.</summary>
/// <param name="Path">Relative to the source's folder.</param>
/// <param name="Text">In words.</param>
public sealed record ImportNote(string Path, string Text);

/// <summary>What an import came to. Complete also when it was stopped: every batch is whole or not there.</summary>
public sealed record ImportReport
{
    /// <summary>Documents made.</summary>
    public int Created { get; init; }

    /// <summary>Documents with one more version.</summary>
    public int Updated { get; init; }

    /// <summary>Documents that an earlier import had put into the trash, brought back.</summary>
    public int Restored { get; init; }

    /// <summary>Documents left as they are: their files did not change since the last import.</summary>
    public int Unchanged { get; init; }

    /// <summary>Documents that people had put into the trash, left there.</summary>
    public int LeftInTrash { get; init; }

    /// <summary>Documents put into the trash because their files are gone.</summary>
    public int Pruned { get; init; }

    /// <summary>Files found.</summary>
    public int Files { get; init; }

    /// <summary>Bytes of the files found.</summary>
    public long Bytes { get; init; }

    /// <summary>What could not be imported, by path.</summary>
    public IReadOnlyList<ImportNote> Skipped { get; init; } = [];

    /// <summary>What was imported and deserves a look, by path.</summary>
    public IReadOnlyList<ImportNote> Warnings { get; init; } = [];

    /// <summary>Why the import ended early; null when it came to its end.</summary>
    public Error? Stopped { get; init; }

    /// <summary>How long it took.</summary>
    public TimeSpan Elapsed { get; init; }
}
