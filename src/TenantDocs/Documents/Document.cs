namespace TenantDocs.Documents;

/// <summary>A document of a tenant: an immutable snapshot of one of its versions.</summary>
public sealed record Document
{
    /// <summary>A UUIDv7, or what the client chose.</summary>
    public required Guid Id { get; init; }

    /// <summary>What its people edit; <see cref="DocumentContent.Body"/> is null where a list did not ask for it.</summary>
    public required DocumentContent Content { get; init; }

    /// <summary>Counts the changes from 1 without gaps: the entity tag.</summary>
    public required long Version { get; init; }

    /// <summary>When it was created; microseconds, UTC.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Who created it.</summary>
    public required string CreatedBy { get; init; }

    /// <summary>When this version was made; strictly greater than the version before it; microseconds, UTC.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }

    /// <summary>Who made this version.</summary>
    public required string UpdatedBy { get; init; }

    /// <summary>Since when it is in the trash; null for a live document.</summary>
    public DateTimeOffset? DeletedAt { get; init; }

    /// <summary>The strong entity tag of this version.</summary>
    public string ETag => TagOf(Version);

    /// <summary>The strong entity tag of a version.</summary>
    public static string TagOf(long version) => $"\"{version}\"";
}

/// <summary>What people edit of a document. Always within the limits of <see cref="DocumentRules"/>.</summary>
public sealed record DocumentContent
{
    /// <summary>1–500 code points, not blank.</summary>
    public required string Title { get; init; }

    /// <summary>Text; null only where a list did not ask for it.</summary>
    public required string? Body { get; init; }

    /// <summary>Media type of the body.</summary>
    public string ContentType { get; init; } = DocumentRules.DefaultContentType;

    /// <summary>draft, published, archived or any other such word.</summary>
    public string Status { get; init; } = DocumentRules.DefaultStatus;

    /// <summary>The collection that it is in, if any.</summary>
    public Guid? CollectionId { get; init; }

    /// <summary>Without doubles, in the order given.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>A JSON object as text, without insignificant white space.</summary>
    public string Metadata { get; init; } = DocumentRules.EmptyMetadata;

    /// <summary>Equal in every field; lists by their elements.</summary>
    public bool Equals(DocumentContent? other) =>
        other is not null
        && Title == other.Title
        && Body == other.Body
        && ContentType == other.ContentType
        && Status == other.Status
        && CollectionId == other.CollectionId
        && Metadata == other.Metadata
        && Tags.SequenceEqual(other.Tags);

    /// <inheritdoc />
    public override int GetHashCode() => HashCode.Combine(Title, Body, Status, CollectionId, Metadata, Tags.Count);
}

/// <summary>What made a version.</summary>
public enum DocumentChangeType
{
    /// <summary>The first version.</summary>
    Created,

    /// <summary>Replaced, patched, or an earlier version brought back.</summary>
    Updated,

    /// <summary>Moved to the trash.</summary>
    Deleted,

    /// <summary>Brought back from the trash.</summary>
    Restored,

    /// <summary>Removed for good, with all versions.</summary>
    Purged,
}

/// <summary>A version of a document in a list of versions: all but its text.</summary>
public sealed record DocumentVersion(
    long Version,
    DocumentChangeType Change,
    string Title,
    string Status,
    DateTimeOffset UpdatedAt,
    string UpdatedBy,
    DateTimeOffset? DeletedAt
);

/// <summary>One line of a tenant's change feed.</summary>
/// <param name="Seq">From 1, without gaps, in commit order.</param>
/// <param name="Type">What happened.</param>
/// <param name="DocumentId">To which document.</param>
/// <param name="Version">Which version that made; of a purged document, its last.</param>
/// <param name="At">When.</param>
/// <param name="Actor">By whom.</param>
public sealed record DocumentFeedItem(
    long Seq,
    DocumentChangeType Type,
    Guid DocumentId,
    long Version,
    DateTimeOffset At,
    string Actor
);

/// <summary>A piece of the change feed.</summary>
/// <param name="Items">In order.</param>
/// <param name="Next">Pass it as <c>after</c> to go on.</param>
/// <param name="CaughtUp">True when there was nothing newer at that moment.</param>
public sealed record DocumentFeed(IReadOnlyList<DocumentFeedItem> Items, long Next, bool CaughtUp);

/// <summary>How many live documents carry a tag.</summary>
public sealed record TagCount(string Tag, long Count);

/// <summary>What a tenant's documents use. Exact: counted in the transaction of each write.</summary>
/// <param name="Documents">Live documents.</param>
/// <param name="Trashed">Documents in the trash.</param>
/// <param name="Versions">Versions kept, of both.</param>
/// <param name="Bytes">UTF-8 bytes of the current titles and bodies, of both.</param>
/// <param name="Seq">The newest number of the change feed.</param>
public sealed record DocumentUsage(long Documents, long Trashed, long Versions, long Bytes, long Seq);
