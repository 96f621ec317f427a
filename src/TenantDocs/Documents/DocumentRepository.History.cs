using Microsoft.EntityFrameworkCore;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Documents;

// Reads that are not the hottest: compiled LINQ through pooled contexts, still one round trip each.
internal sealed partial class DocumentRepository
{
    private static readonly Func<TenantDbContext, Guid, bool, long, int, IAsyncEnumerable<VersionLine>> VersionLines =
        EF.CompileAsyncQuery(
            (TenantDbContext context, Guid id, bool trashed, long before, int take) =>
                (
                    from v in context.Set<DocumentVersionRow>()
                    join d in context.Set<DocumentRow>()
                        on new { v.TenantId, Id = v.DocumentId } equals new { d.TenantId, d.Id }
                    where v.DocumentId == id && v.Version < before && (trashed || d.DeletedAt == null)
                    orderby v.Version descending
                    select new VersionLine(
                        v.TenantId,
                        v.Version,
                        v.Change,
                        v.Title,
                        v.Status,
                        v.UpdatedAt,
                        v.UpdatedBy,
                        v.DeletedAt
                    )
                ).Take(take)
        );

    private static readonly Func<
        TenantDbContext,
        Guid,
        bool,
        long,
        long,
        IAsyncEnumerable<VersionOfDocument>
    > TwoVersions = EF.CompileAsyncQuery(
        (TenantDbContext context, Guid id, bool trashed, long first, long second) =>
            from v in context.Set<DocumentVersionRow>()
            join d in context.Set<DocumentRow>()
                on new { v.TenantId, Id = v.DocumentId } equals new { d.TenantId, d.Id }
            where v.DocumentId == id && (v.Version == first || v.Version == second) && (trashed || d.DeletedAt == null)
            orderby v.Version
            select new VersionOfDocument(v, d.TenantId, d.CreatedAt, d.CreatedBy)
    );

    private static readonly Func<TenantDbContext, Guid, DateTime, IAsyncEnumerable<VersionOfDocument>> VersionAt =
        EF.CompileAsyncQuery(
            (TenantDbContext context, Guid id, DateTime at) =>
                (
                    from v in context.Set<DocumentVersionRow>()
                    join d in context.Set<DocumentRow>()
                        on new { v.TenantId, Id = v.DocumentId } equals new { d.TenantId, d.Id }
                    where v.DocumentId == id && v.UpdatedAt <= at
                    orderby v.Version descending
                    select new VersionOfDocument(v, d.TenantId, d.CreatedAt, d.CreatedBy)
                ).Take(1)
        );

    private static readonly Func<TenantDbContext, string, int, IAsyncEnumerable<TagLine>> TagLines =
        EF.CompileAsyncQuery(
            (TenantDbContext context, string after, int take) =>
                context
                    .Set<DocumentTagRow>()
                    .Where(row => string.Compare(row.Tag, after) > 0)
                    .GroupBy(row => new { row.TenantId, row.Tag })
                    .OrderBy(group => group.Key.Tag)
                    .Select(group => new TagLine(group.Key.TenantId, group.Key.Tag, group.LongCount()))
                    .Take(take)
        );

    private static readonly Func<TenantDbContext, IAsyncEnumerable<TenantStateRow>> State = EF.CompileAsyncQuery(
        (TenantDbContext context) => context.Set<TenantStateRow>()
    );

    public async Task<Document?> FindAsOfAsync(
        Tenant tenant,
        Guid id,
        DateTimeOffset at,
        bool trashed,
        CancellationToken cancellationToken
    )
    {
        var found = await QueryAsync(tenant, c => VersionAt(c, id, at.UtcDateTime), v => v.Owner, cancellationToken);
        var document = found is [var version] ? version.ToDocument() : null;
        return document is { DeletedAt: not null } && !trashed ? null : document;
    }

    public async Task<Page<DocumentVersion, VersionPosition>?> ListVersionsAsync(
        Tenant tenant,
        Guid id,
        int limit,
        VersionPosition? before,
        bool trashed,
        CancellationToken cancellationToken
    )
    {
        var lines = await QueryAsync(
            tenant,
            c => VersionLines(c, id, trashed, before?.Version ?? long.MaxValue, limit + 1),
            v => v.TenantId,
            cancellationToken
        );
        if (lines.Count == 0)
        {
            return null;
        }

        var items = lines.Take(limit).Select(v => v.ToVersion()).ToList();
        return new(items, lines.Count > limit ? new VersionPosition(items[^1].Version) : null);
    }

    public async Task<IReadOnlyList<Document>> FindVersionsAsync(
        Tenant tenant,
        Guid id,
        long first,
        long second,
        bool trashed,
        CancellationToken cancellationToken
    )
    {
        var found = await QueryAsync(
            tenant,
            c => TwoVersions(c, id, trashed, first, second),
            v => v.Owner,
            cancellationToken
        );
        return [.. found.Select(v => v.ToDocument())];
    }

    public async Task<Page<TagCount, string>> ListTagsAsync(
        Tenant tenant,
        int limit,
        string? after,
        CancellationToken cancellationToken
    )
    {
        var lines = await QueryAsync(
            tenant,
            c => TagLines(c, after ?? "", limit + 1),
            t => t.TenantId,
            cancellationToken
        );
        var items = lines.Take(limit).Select(t => new TagCount(t.Tag, t.Count)).ToList();
        return new(items, lines.Count > limit ? items[^1].Tag : null);
    }

    public async Task<DocumentUsage> ReadUsageAsync(Tenant tenant, CancellationToken cancellationToken)
    {
        var rows = await QueryAsync(tenant, State, s => s.TenantId, cancellationToken);
        return rows is [var s]
            ? new DocumentUsage(s.Documents, s.Trashed, s.Versions, s.Bytes, s.Seq)
            : throw new InvalidOperationException("The tenant has no state row.");
    }

    private Task<List<TRow>> QueryAsync<TRow>(
        Tenant tenant,
        Func<TenantDbContext, IAsyncEnumerable<TRow>> query,
        Func<TRow, Guid> owner,
        CancellationToken cancellationToken
    ) =>
        sessions.ReadAsync(
            tenant,
            async (session, token) =>
            {
                await using var lease = contexts.Rent(session);
                var rows = new List<TRow>();
                await foreach (var row in query(lease.Context).WithCancellation(token))
                {
                    DocumentReading.Guard(owner(row), tenant.Id.Value);
                    rows.Add(row);
                }

                return rows;
            },
            cancellationToken
        );

    private static DateTimeOffset Utc(DateTime time) => new(time, TimeSpan.Zero);

    private sealed record TagLine(Guid TenantId, string Tag, long Count);

    private sealed record VersionLine(
        Guid TenantId,
        long Version,
        string Change,
        string Title,
        string Status,
        DateTime UpdatedAt,
        string UpdatedBy,
        DateTime? DeletedAt
    )
    {
        public DocumentVersion ToVersion() =>
            new(
                Version,
                CatalogText.Parse<DocumentChangeType>(Change),
                Title,
                Status,
                Utc(UpdatedAt),
                UpdatedBy,
                DeletedAt is { } at ? Utc(at) : null
            );
    }

    private sealed record VersionOfDocument(
        DocumentVersionRow Row,
        Guid DocumentOwner,
        DateTime CreatedAt,
        string CreatedBy
    )
    {
        // Both rows must be the tenant's: the guard is given one that no tenant has when they disagree.
        public Guid Owner => Row.TenantId == DocumentOwner ? Row.TenantId : Guid.Empty;

        public Document ToDocument() =>
            new()
            {
                Id = Row.DocumentId,
                Content = new DocumentContent
                {
                    Title = Row.Title,
                    Body = Row.Body,
                    ContentType = Row.ContentType,
                    Status = Row.Status,
                    CollectionId = Row.CollectionId,
                    Tags = Row.Tags,
                    Metadata = Row.Metadata,
                },
                Version = Row.Version,
                CreatedAt = Utc(CreatedAt),
                CreatedBy = CreatedBy,
                UpdatedAt = Utc(Row.UpdatedAt),
                UpdatedBy = Row.UpdatedBy,
                DeletedAt = Row.DeletedAt is { } at ? Utc(at) : null,
            };
    }
}
