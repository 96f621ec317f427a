namespace TenantDocs.Documents;

/// <summary>Which versions a change may start from (<c>If-Match</c>).</summary>
/// <param name="Any">True for <c>*</c>: whichever version there is.</param>
/// <param name="Versions">Else one of these; none of them when the tags were not ours.</param>
public sealed record DocumentPrecondition(bool Any, IReadOnlyList<long> Versions)
{
    /// <summary>True when the change may start from this version.</summary>
    public bool Admits(long version) => Any || Versions.Contains(version);
}

/// <summary>Who writes, from which state, and how a repetition is recognised.</summary>
public sealed record DocumentWrite
{
    /// <summary>Who writes; kept in versions and in the change feed.</summary>
    public required string Actor { get; init; }

    /// <summary>The versions that the author saw; null when the request did not say.</summary>
    public DocumentPrecondition? Precondition { get; init; }

    /// <summary>For requests with an idempotency key.</summary>
    public DocumentIdempotency? Idempotency { get; init; }

    /// <summary>The most that the tenant may hold; null members are unlimited.</summary>
    public DocumentLimits Limits { get; init; } = DocumentLimits.None;
}

/// <summary>What a tenant may hold; null = unlimited.</summary>
/// <param name="Documents">Documents, those in the trash too.</param>
/// <param name="Bytes">Bytes of current titles and bodies, those in the trash too.</param>
/// <param name="BodyBytes">Bytes of one body, where that is less than <see cref="DocumentsOptions.MaxBodyBytes"/>.</param>
public sealed record DocumentLimits(long? Documents, long? Bytes, long? BodyBytes)
{
    /// <summary>No limits but those of all tenants.</summary>
    public static DocumentLimits None { get; } = new(null, null, null);
}

/// <summary>An idempotency key and what is kept under it, in the transaction of the write itself.</summary>
/// <param name="Key">The client's key; at most 255 characters.</param>
/// <param name="RequestHash">Of method, path and body: the same key with another hash is refused.</param>
/// <param name="Render">Makes the answer to keep, from the document that the write leaves (or left behind).</param>
public sealed record DocumentIdempotency(string Key, byte[] RequestHash, Func<Document, StoredAnswer> Render);

/// <summary>An answer kept under an idempotency key.</summary>
public sealed record StoredAnswer(int Status, string? ETag, string? Location, string? Body);

/// <summary>What a write came to.</summary>
/// <param name="Document">The document after it (of a purge: before it); null for a replay.</param>
/// <param name="Replay">The first answer, when this was a repetition; nothing was changed then.</param>
public sealed record DocumentOutcome(Document? Document, StoredAnswer? Replay);

/// <summary>One of several documents that are written together.</summary>
/// <param name="Id">Which one.</param>
/// <param name="Before">As it was read, with its body; null for a new one. What is in the trash comes back by an edit.</param>
/// <param name="After">Its new content; null: to the trash.</param>
public sealed record DocumentEdit(Guid Id, Document? Before, DocumentContent? After);
