using TenantDocs.Catalog;

namespace TenantDocs.Documents;

/// <summary>
/// A tenant's documents, the same in all three isolation models. Every call is a unit of work of its own: reads take one
/// network round trip, writes at most three. Every row returned carries the tenant, or
/// <see cref="Isolation.TenantIsolationException"/> is thrown.
/// </summary>
public interface IDocumentRepository
{
    /// <summary>A document; null when there is none, or when it is in the trash and that was not asked for.</summary>
    public Task<Document?> FindAsync(Tenant tenant, Guid id, bool trashed, CancellationToken cancellationToken);

    /// <summary>A document as it was at a time; null before its birth and, unless asked for, while it was in the trash.</summary>
    public Task<Document?> FindAsOfAsync(
        Tenant tenant,
        Guid id,
        DateTimeOffset at,
        bool trashed,
        CancellationToken cancellationToken
    );

    /// <summary>A page of documents. Stable under inserts: a document is neither shown twice nor left out.</summary>
    public Task<Page<Document, DocumentPosition>> ListAsync(
        Tenant tenant,
        DocumentQuery query,
        CancellationToken cancellationToken
    );

    /// <summary>A new document. With a key that was used before: the first answer.</summary>
    /// <param name="tenant">The tenant.</param>
    /// <param name="id">The id that the client chose; null for a new UUIDv7.</param>
    /// <param name="content">Its content.</param>
    /// <param name="write">By whom, within which limits.</param>
    /// <param name="cancellationToken">Gives up; the document may or may not exist then.</param>
    public Task<Result<DocumentOutcome>> CreateAsync(
        Tenant tenant,
        Guid? id,
        DocumentContent content,
        DocumentWrite write,
        CancellationToken cancellationToken
    );

    /// <summary>Changes a document. With a key that was used before: the first answer, whatever the state now.</summary>
    public Task<Result<DocumentOutcome>> ChangeAsync(
        Tenant tenant,
        Guid id,
        DocumentChange change,
        DocumentWrite write,
        CancellationToken cancellationToken
    );

    /// <summary>Versions, newest first, before <paramref name="before"/>; null when there is no such document.</summary>
    public Task<Page<DocumentVersion, VersionPosition>?> ListVersionsAsync(
        Tenant tenant,
        Guid id,
        int limit,
        VersionPosition? before,
        bool trashed,
        CancellationToken cancellationToken
    );

    /// <summary>The document as each of these versions had it, in the order of versions; missing ones are left out.</summary>
    public Task<IReadOnlyList<Document>> FindVersionsAsync(
        Tenant tenant,
        Guid id,
        long first,
        long second,
        bool trashed,
        CancellationToken cancellationToken
    );

    /// <summary>Live documents that match, best first.</summary>
    public Task<Page<DocumentHit, SearchPosition>> SearchAsync(
        Tenant tenant,
        DocumentSearch search,
        CancellationToken cancellationToken
    );

    /// <summary>Tags of live documents with their counts, in byte order, after tag <paramref name="after"/>.</summary>
    public Task<Page<TagCount, string>> ListTagsAsync(
        Tenant tenant,
        int limit,
        string? after,
        CancellationToken cancellationToken
    );

    /// <summary>The change feed after <paramref name="after"/>; an error when that number does not exist yet.</summary>
    public Task<Result<DocumentFeed>> ReadFeedAsync(
        Tenant tenant,
        long after,
        int limit,
        CancellationToken cancellationToken
    );

    /// <summary>What the documents use.</summary>
    public Task<DocumentUsage> ReadUsageAsync(Tenant tenant, CancellationToken cancellationToken);

    /// <summary>The documents among <paramref name="ids"/> that exist, live or in the trash, by id.</summary>
    public Task<IReadOnlyDictionary<Guid, Document>> FindManyAsync(
        Tenant tenant,
        IReadOnlyCollection<Guid> ids,
        bool includeBody,
        CancellationToken cancellationToken
    );

    /// <summary>Live documents of an import's source after <paramref name="after"/>, in order of their ids, without bodies.</summary>
    public Task<IReadOnlyList<Document>> ListSourceAsync(
        Tenant tenant,
        string source,
        Guid after,
        int limit,
        CancellationToken cancellationToken
    );

    /// <summary>
    /// Writes several documents in one transaction and one round trip: all of them or none. Edits that change nothing
    /// make no version. Returns the documents written.
    /// </summary>
    /// <returns>An error of code <c>conflict</c> when a document was changed since it was read: read and try again.</returns>
    public Task<Result<IReadOnlyList<Document>>> WriteManyAsync(
        Tenant tenant,
        IReadOnlyList<DocumentEdit> edits,
        DocumentWrite write,
        CancellationToken cancellationToken
    );

    /// <summary>
    /// Removes up to <paramref name="limit"/> documents for good that went to the trash before <paramref name="before"/>,
    /// and idempotency keys that are no longer kept. Returns how many documents.
    /// </summary>
    public Task<int> SweepAsync(Tenant tenant, DateTimeOffset before, int limit, CancellationToken cancellationToken);

    /// <summary>
    /// Indexes some documents again, live or in the trash, that are indexed in another language than the tenant's: a small
    /// part of those after <paramref name="after"/>, in order of their ids. Makes no version and no change. Returns how
    /// many, and the last of them; null when there was none.
    /// </summary>
    public Task<(int Count, Guid? Last)> ReindexAsync(Tenant tenant, Guid after, CancellationToken cancellationToken);
}
