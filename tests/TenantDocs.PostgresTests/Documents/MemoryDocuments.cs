using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.PostgresTests.Documents;

/// <summary>
/// What the repository promises, in the plainest way: lists in memory, one tenant, nobody else writing. Shares with the
/// repository the rules of what a change makes of a document, and nothing of how it is stored, found and counted.
/// </summary>
internal sealed class MemoryDocuments(TimeProvider time, int maxBodyBytes) : IDocumentRepository
{
    private readonly Dictionary<Guid, List<(Document Document, DocumentChangeType Change)>> _histories = [];
    private readonly List<DocumentFeedItem> _feed = [];
    private readonly Dictionary<string, (byte[] Hash, StoredAnswer Answer, DateTimeOffset At)> _keys = [];

    public Task<Document?> FindAsync(Tenant tenant, Guid id, bool trashed, CancellationToken cancellationToken) =>
        Task.FromResult(Visible(Current(id), trashed));

    public Task<Document?> FindAsOfAsync(
        Tenant tenant,
        Guid id,
        DateTimeOffset at,
        bool trashed,
        CancellationToken cancellationToken
    ) =>
        Task.FromResult(
            Visible(
                _histories.GetValueOrDefault(id)?.Select(v => v.Document).LastOrDefault(d => d.UpdatedAt <= at),
                trashed
            )
        );

    public Task<Page<Document, DocumentPosition>> ListAsync(
        Tenant tenant,
        DocumentQuery query,
        CancellationToken cancellationToken
    )
    {
        var matching = All.Where(d =>
            d.DeletedAt is not null == query.Trashed
            && (query.CollectionId is null || d.Content.CollectionId == query.CollectionId)
            && (query.Tag is null || d.Content.Tags.Contains(query.Tag))
            && (query.Status is null || d.Content.Status == query.Status)
            && (query.UpdatedSince is null || d.UpdatedAt >= query.UpdatedSince)
        );
        var descending = query.Sort.ToString().EndsWith("Descending", StringComparison.Ordinal);
        var sorted = matching.Order(Comparer<Document>.Create((a, b) => Compare(Position(a), Position(b)))).ToList();
        if (descending)
        {
            sorted.Reverse();
        }

        var rest = sorted
            .Where(d =>
                query.After is null || (Compare(Position(d), query.After) is var c && (descending ? c < 0 : c > 0))
            )
            .Select(d => query.IncludeBody ? d : d with { Content = d.Content with { Body = null } })
            .ToList();
        var items = rest.Take(query.Limit).ToList();
        return Task.FromResult(
            new Page<Document, DocumentPosition>(items, rest.Count > query.Limit ? Position(items[^1]) : null)
        );

        DocumentPosition Position(Document d) =>
            query.Sort switch
            {
                DocumentSort.Title or DocumentSort.TitleDescending => new(null, d.Content.Title, d.Id),
                DocumentSort.CreatedAt or DocumentSort.CreatedAtDescending => new(d.CreatedAt, null, d.Id),
                _ => new(d.UpdatedAt, null, d.Id),
            };
    }

    public Task<Result<DocumentOutcome>> CreateAsync(
        Tenant tenant,
        Guid? id,
        DocumentContent content,
        DocumentWrite write,
        CancellationToken cancellationToken
    )
    {
        if (DocumentRules.Judge(content, maxBodyBytes) is { } fault)
        {
            return Error(fault);
        }

        if (Kept(write) is { } kept)
        {
            return Task.FromResult(kept);
        }

        if (id is { } taken && Current(taken) is { } current)
        {
            return Error(
                new Error(ErrorKind.PreconditionFailed, "precondition-failed", "") { CurrentETag = current.ETag }
            );
        }

        return Task.FromResult(
            Write(DocumentStep.Born(id ?? Guid.CreateVersion7(), content, write.Actor, time.GetUtcNow()), write)
        );
    }

    public Task<Result<DocumentOutcome>> ChangeAsync(
        Tenant tenant,
        Guid id,
        DocumentChange change,
        DocumentWrite write,
        CancellationToken cancellationToken
    )
    {
        if (Kept(write) is { } kept)
        {
            return Task.FromResult(kept);
        }

        if (Current(id) is not { } current)
        {
            return Error(TenantDocs.Error.NotFound);
        }

        if (change.Reach(current) is { } unreachable)
        {
            return Error(unreachable);
        }

        if (write.Precondition is null && change.NeedsPrecondition)
        {
            return Error(new Error(ErrorKind.PreconditionRequired, "precondition-required", ""));
        }

        if (write.Precondition?.Admits(current.Version) is false)
        {
            return Error(
                new Error(ErrorKind.PreconditionFailed, "precondition-failed", "") { CurrentETag = current.ETag }
            );
        }

        var earlier = change is DocumentChange.RestoreVersion restore
            ? _histories[id].Select(v => v.Document).FirstOrDefault(d => d.Version == restore.Version)?.Content
            : null;
        var step = DocumentStep.Of(
            change,
            new DocumentMoment(current, earlier, write.Actor, time.GetUtcNow(), maxBodyBytes)
        );
        return step.Error is { } error ? Error(error) : Task.FromResult(Write(step.Value, write));
    }

    public Task<Page<DocumentVersion, VersionPosition>?> ListVersionsAsync(
        Tenant tenant,
        Guid id,
        int limit,
        VersionPosition? before,
        bool trashed,
        CancellationToken cancellationToken
    )
    {
        if (Visible(Current(id), trashed) is null)
        {
            return Task.FromResult<Page<DocumentVersion, VersionPosition>?>(null);
        }

        var rest = Enumerable
            .Reverse(_histories[id])
            .Where(v => before is null || v.Document.Version < before.Version)
            .Select(v => new DocumentVersion(
                v.Document.Version,
                v.Change,
                v.Document.Content.Title,
                v.Document.Content.Status,
                v.Document.UpdatedAt,
                v.Document.UpdatedBy,
                v.Document.DeletedAt
            ))
            .ToList();
        var items = rest.Take(limit).ToList();
        return Task.FromResult<Page<DocumentVersion, VersionPosition>?>(
            items.Count == 0 ? null : new(items, rest.Count > limit ? new VersionPosition(items[^1].Version) : null)
        );
    }

    public Task<IReadOnlyList<Document>> FindVersionsAsync(
        Tenant tenant,
        Guid id,
        long first,
        long second,
        bool trashed,
        CancellationToken cancellationToken
    ) =>
        Task.FromResult<IReadOnlyList<Document>>(
            Visible(Current(id), trashed) is null
                ? []
                : [.. _histories[id].Select(v => v.Document).Where(d => d.Version == first || d.Version == second)]
        );

    /// <summary>Finds whole words only, and ranks and highlights nothing.</summary>
    public Task<Page<DocumentHit, SearchPosition>> SearchAsync(
        Tenant tenant,
        DocumentSearch search,
        CancellationToken cancellationToken
    ) =>
        Task.FromResult(
            new Page<DocumentHit, SearchPosition>(
                [
                    .. All.Where(d =>
                            d.DeletedAt is null
                            && $"{d.Content.Title} {d.Content.Body}"
                                .Split(' ', StringSplitOptions.RemoveEmptyEntries)
                                .Contains(search.Text, StringComparer.OrdinalIgnoreCase)
                            && (search.Tag is null || d.Content.Tags.Contains(search.Tag))
                            && (search.CollectionId is null || d.Content.CollectionId == search.CollectionId)
                        )
                        .Select(d => new DocumentHit(d.Id, d.Content.Title, 0, [])),
                ],
                null
            )
        );

    public Task<Page<TagCount, string>> ListTagsAsync(
        Tenant tenant,
        int limit,
        string? after,
        CancellationToken cancellationToken
    )
    {
        var rest = All.Where(d => d.DeletedAt is null)
            .SelectMany(d => d.Content.Tags)
            .GroupBy(t => t)
            .Select(g => new TagCount(g.Key, g.Count()))
            .OrderBy(t => t.Tag, StringComparer.Ordinal)
            .Where(t => after is null || string.CompareOrdinal(t.Tag, after) > 0)
            .ToList();
        var items = rest.Take(limit).ToList();
        return Task.FromResult(new Page<TagCount, string>(items, rest.Count > limit ? items[^1].Tag : null));
    }

    public Task<Result<DocumentFeed>> ReadFeedAsync(
        Tenant tenant,
        long after,
        int limit,
        CancellationToken cancellationToken
    )
    {
        if (after > _feed.Count)
        {
            return Task.FromResult<Result<DocumentFeed>>(TenantDocs.Error.Invalid("after", ""));
        }

        var items = _feed.Skip((int)after).Take(limit).ToList();
        var next = after + items.Count;
        return Task.FromResult<Result<DocumentFeed>>(new DocumentFeed(items, next, next == _feed.Count));
    }

    public Task<DocumentUsage> ReadUsageAsync(Tenant tenant, CancellationToken cancellationToken) =>
        Task.FromResult(
            new DocumentUsage(
                All.Count(d => d.DeletedAt is null),
                All.Count(d => d.DeletedAt is not null),
                _histories.Values.Sum(h => h.Count),
                All.Sum(d => DocumentRules.BytesOf(d.Content)),
                _feed.Count
            )
        );

    public Task<int> SweepAsync(Tenant tenant, DateTimeOffset before, int limit, CancellationToken cancellationToken)
    {
        var expired = All.Where(d => d.DeletedAt < before).OrderBy(d => d.DeletedAt).Take(limit).ToList();
        foreach (var document in expired)
        {
            var write = new DocumentWrite { Actor = "system" };
            Write(new DocumentStep(document, null, DocumentChangeType.Purged, time.GetUtcNow()), write);
        }

        return Task.FromResult(expired.Count);
    }

    public Task<(int Count, Guid? Last)> ReindexAsync(Tenant tenant, Guid after, CancellationToken cancellationToken) =>
        Task.FromResult((0, (Guid?)null));

    // Imports have tests of their own; the scripts do not make any.
    public Task<IReadOnlyDictionary<Guid, Document>> FindManyAsync(
        Tenant tenant,
        IReadOnlyCollection<Guid> ids,
        bool includeBody,
        CancellationToken cancellationToken
    ) => throw new NotSupportedException();

    public Task<IReadOnlyList<Document>> ListSourceAsync(
        Tenant tenant,
        string source,
        Guid after,
        int limit,
        CancellationToken cancellationToken
    ) => throw new NotSupportedException();

    public Task<Result<IReadOnlyList<Document>>> WriteManyAsync(
        Tenant tenant,
        IReadOnlyList<DocumentEdit> edits,
        DocumentWrite write,
        CancellationToken cancellationToken
    ) => throw new NotSupportedException();

    private IEnumerable<Document> All => _histories.Values.Select(h => h[^1].Document);

    private Document? Current(Guid id) => _histories.GetValueOrDefault(id)?[^1].Document;

    private static Document? Visible(Document? document, bool trashed) =>
        document is { DeletedAt: not null } && !trashed ? null : document;

    private static Task<Result<DocumentOutcome>> Error(Error error) => Task.FromResult<Result<DocumentOutcome>>(error);

    private static int Compare(DocumentPosition a, DocumentPosition b)
    {
        var byKey = a.Title is null
            ? a.At!.Value.CompareTo(b.At!.Value)
            : System
                .Text.Encoding.UTF8.GetBytes(a.Title)
                .AsSpan()
                .SequenceCompareTo(System.Text.Encoding.UTF8.GetBytes(b.Title!));
        return byKey != 0 ? byKey : string.CompareOrdinal($"{a.Id:n}", $"{b.Id:n}");
    }

    private Result<DocumentOutcome>? Kept(DocumentWrite write)
    {
        if (
            write.Idempotency is not { } idempotency
            || !_keys.TryGetValue(idempotency.Key, out var kept)
            || kept.At < time.GetUtcNow() - DocumentRules.IdempotencyKept
        )
        {
            return null;
        }

        return kept.Hash.AsSpan().SequenceEqual(idempotency.RequestHash)
            ? new DocumentOutcome(null, kept.Answer)
            : (Result<DocumentOutcome>)new Error(ErrorKind.Unprocessable, "idempotency-key-reused", "");
    }

    private Result<DocumentOutcome> Write(DocumentStep step, DocumentWrite write)
    {
        if (!step.IsNothing)
        {
            var usage = ReadUsageAsync(null!, default).Result;
            var grown = step.Documents + step.Trashed;
            if (grown > 0 && usage.Documents + usage.Trashed + grown > write.Limits.Documents)
            {
                return new Error(ErrorKind.QuotaExceeded, "quota-exceeded", "");
            }

            if (step.Bytes > 0 && usage.Bytes + step.Bytes > write.Limits.Bytes)
            {
                return new Error(ErrorKind.QuotaExceeded, "quota-exceeded", "");
            }

            Record(step, write);
        }

        if (write.Idempotency is { } idempotency)
        {
            _keys[idempotency.Key] = (idempotency.RequestHash, idempotency.Render(step.Subject), time.GetUtcNow());
        }

        return new DocumentOutcome(step.Subject, null);
    }

    private void Record(DocumentStep step, DocumentWrite write)
    {
        if (step.After is { } after)
        {
            var history = _histories.TryGetValue(after.Id, out var known) ? known : _histories[after.Id] = [];
            history.Add((after, step.Type));
        }
        else
        {
            _histories.Remove(step.Before!.Id);
        }

        var subject = step.Subject;
        var at = step.After?.UpdatedAt ?? DocumentRules.Microseconds(step.At);
        _feed.Add(new DocumentFeedItem(_feed.Count + 1, step.Type, subject.Id, subject.Version, at, write.Actor));
    }
}
