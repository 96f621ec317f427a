using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Documents;

/// <summary>The one repository, for all three isolation models: they differ in where the session goes only.</summary>
internal sealed partial class DocumentRepository(
    TenantSessions sessions,
    TenantContexts contexts,
    IOptions<DocumentsOptions> options,
    TimeProvider time
) : IDocumentRepository
{
    public Task<Document?> FindAsync(Tenant tenant, Guid id, bool trashed, CancellationToken cancellationToken) =>
        sessions.ReadAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch();
                batch.Add(DocumentSql.Find, SqlValue.Of(tenant.Id.Value), SqlValue.Of(id));
                await using var reader = await batch.ReadAsync(token);
                var document = await ReadOneAsync(reader, tenant, token);
                return document is { DeletedAt: not null } && !trashed ? null : document;
            },
            cancellationToken
        );

    public Task<Page<Document, DocumentPosition>> ListAsync(
        Tenant tenant,
        DocumentQuery query,
        CancellationToken cancellationToken
    ) =>
        sessions.ReadAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch();
                batch.Add(
                    DocumentListSql.For(query),
                    SqlValue.Of(tenant.Id.Value),
                    SqlValue.Of(query.Limit + 1),
                    SqlValue.Of(query.Status),
                    SqlValue.Of(query.UpdatedSince),
                    SqlValue.Of(query.Tag),
                    SqlValue.Of(query.CollectionId),
                    ByTitle(query.Sort) ? SqlValue.Of(query.After?.Title) : SqlValue.Of(query.After?.At),
                    SqlValue.Of(query.After?.Id)
                );
                await using var reader = await batch.ReadAsync(token);
                return await ReadPageAsync(reader, tenant, query, token);
            },
            cancellationToken
        );

    public Task<Result<DocumentFeed>> ReadFeedAsync(
        Tenant tenant,
        long after,
        int limit,
        CancellationToken cancellationToken
    ) =>
        sessions.ReadAsync<Result<DocumentFeed>>(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch();
                // The items before the head: a change that commits between the two statements makes "caught up" false,
                // never the other way round.
                batch
                    .Add(DocumentSql.Feed, SqlValue.Of(tenant.Id.Value), SqlValue.Of(after), SqlValue.Of(limit))
                    .Add(DocumentSql.Head, SqlValue.Of(tenant.Id.Value));
                await using var reader = await batch.ReadAsync(token);
                var items = new List<DocumentFeedItem>();
                while (await reader.ReadAsync(token))
                {
                    items.Add(ReadFeedItem(reader, tenant));
                }

                await reader.NextResultAsync(token);
                var head = 0L;
                if (await reader.ReadAsync(token))
                {
                    DocumentReading.Guard(reader, tenant.Id.Value);
                    head = reader.GetInt64(1);
                }

                if (after > head)
                {
                    return Error.Invalid("after", "The change feed has not come that far.");
                }

                var next = items.Count > 0 ? items[^1].Seq : after;
                return new DocumentFeed(items, next, next == head);
            },
            cancellationToken
        );

    private static bool ByTitle(DocumentSort sort) => sort is DocumentSort.Title or DocumentSort.TitleDescending;

    private static async Task<Document?> ReadOneAsync(
        NpgsqlDataReader reader,
        Tenant tenant,
        CancellationToken token
    ) => await reader.ReadAsync(token) ? DocumentReading.Read(reader, tenant.Id.Value, body: true) : null;

    private static async Task<Page<Document, DocumentPosition>> ReadPageAsync(
        NpgsqlDataReader reader,
        Tenant tenant,
        DocumentQuery query,
        CancellationToken token
    )
    {
        var items = new List<Document>(Math.Min(query.Limit, 64));
        while (await reader.ReadAsync(token))
        {
            if (items.Count == query.Limit || (query.IncludeBody && DocumentReading.LacksBody(reader)))
            {
                return new Page<Document, DocumentPosition>(items, PositionOf(items[^1], query.Sort));
            }

            items.Add(DocumentReading.Read(reader, tenant.Id.Value, query.IncludeBody));
        }

        return new Page<Document, DocumentPosition>(items, null);
    }

    private static DocumentPosition PositionOf(Document document, DocumentSort sort) =>
        sort switch
        {
            DocumentSort.Title or DocumentSort.TitleDescending => new(null, document.Content.Title, document.Id),
            DocumentSort.CreatedAt or DocumentSort.CreatedAtDescending => new(document.CreatedAt, null, document.Id),
            _ => new(document.UpdatedAt, null, document.Id),
        };

    private static DocumentFeedItem ReadFeedItem(NpgsqlDataReader reader, Tenant tenant)
    {
        DocumentReading.Guard(reader, tenant.Id.Value);
        return new DocumentFeedItem(
            reader.GetInt64(1),
            DocumentChangeText.ParseFeed(reader.GetString(2)),
            reader.GetGuid(3),
            reader.GetInt64(4),
            DocumentReading.Time(reader, 5),
            reader.GetString(6)
        );
    }
}
