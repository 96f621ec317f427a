namespace TenantDocs.Documents;

/// <summary>The order of a list; ties are broken by id in the same direction.</summary>
public enum DocumentSort
{
    /// <summary>Newest change first.</summary>
    UpdatedAtDescending,

    /// <summary>Oldest change first.</summary>
    UpdatedAt,

    /// <summary>Oldest first.</summary>
    CreatedAt,

    /// <summary>Newest first.</summary>
    CreatedAtDescending,

    /// <summary>By title, in the order of its UTF-8 bytes, the same on every server.</summary>
    Title,

    /// <summary>By title, backwards.</summary>
    TitleDescending,
}

/// <summary>Where a page of a list ended: the sort key of its last item.</summary>
/// <param name="At">Its time, for the orders by time.</param>
/// <param name="Title">Its title, for the orders by title.</param>
/// <param name="Id">Its id.</param>
public sealed record DocumentPosition(DateTimeOffset? At, string? Title, Guid Id);

/// <summary>Which documents to list.</summary>
public sealed record DocumentQuery
{
    /// <summary>Most items of a page.</summary>
    public required int Limit { get; init; }

    /// <summary>The order.</summary>
    public DocumentSort Sort { get; init; }

    /// <summary>Where the page before ended; null for the first page.</summary>
    public DocumentPosition? After { get; init; }

    /// <summary>Only of this collection.</summary>
    public Guid? CollectionId { get; init; }

    /// <summary>Only with this tag.</summary>
    public string? Tag { get; init; }

    /// <summary>Only with this status.</summary>
    public string? Status { get; init; }

    /// <summary>Only changed at or after this moment.</summary>
    public DateTimeOffset? UpdatedSince { get; init; }

    /// <summary>The trash instead of the live documents.</summary>
    public bool Trashed { get; init; }

    /// <summary>With the bodies.</summary>
    public bool IncludeBody { get; init; }
}

/// <summary>A page of a list.</summary>
/// <param name="Items">In order.</param>
/// <param name="Next">Where it ended; null on the last page.</param>
public sealed record Page<TItem, TPosition>(IReadOnlyList<TItem> Items, TPosition? Next)
    where TPosition : class;

/// <summary>What to search for.</summary>
/// <param name="Text">In web-search syntax: words, "phrases", OR, -not.</param>
/// <param name="Limit">Most items of a page.</param>
/// <param name="After">Where the page before ended.</param>
/// <param name="Tag">Only with this tag.</param>
/// <param name="CollectionId">Only of this collection.</param>
public sealed record DocumentSearch(string Text, int Limit, SearchPosition? After, string? Tag, Guid? CollectionId);

/// <summary>Where a page of hits ended.</summary>
public sealed record SearchPosition(float Score, Guid Id);

/// <summary>A hit.</summary>
/// <param name="Id">The document.</param>
/// <param name="Title">Its title, as plain text.</param>
/// <param name="Score">Higher is better; comparable within one search only.</param>
/// <param name="Highlights">Passages as HTML: the words found in <c>mark</c>, everything else escaped.</param>
public sealed record DocumentHit(Guid Id, string Title, float Score, IReadOnlyList<string> Highlights);

/// <summary>Where a page of versions ended.</summary>
public sealed record VersionPosition(long Version);
