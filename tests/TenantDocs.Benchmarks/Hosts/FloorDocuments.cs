using Npgsql;
using TenantDocs.Documents;
using TenantDocs.Isolation;

namespace TenantDocs.Benchmarks.Hosts;

/// <summary>The product's own statements without gate and policies, sent as anybody would with plain Npgsql.</summary>
internal static class FloorDocuments
{
    public static async Task<Document?> FindAsync(
        NpgsqlDataSource source,
        Guid owner,
        Guid id,
        CancellationToken cancellationToken
    )
    {
        await using var command = source.CreateCommand(DocumentSql.Find);
        command.Parameters.Add(SqlValue.Of(owner));
        command.Parameters.Add(SqlValue.Of(id));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? DocumentReading.Read(reader, owner, body: true) : null;
    }

    public static async Task<IReadOnlyList<Document>> ListAsync(
        NpgsqlDataSource source,
        Guid owner,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var command = source.CreateCommand(DocumentListSql.For(new DocumentQuery { Limit = limit }));
        NpgsqlParameter[] values =
        [
            SqlValue.Of(owner),
            SqlValue.Of(limit + 1),
            SqlValue.Of((string?)null),
            SqlValue.Of((DateTimeOffset?)null),
            SqlValue.Of((string?)null),
            SqlValue.Of((Guid?)null),
            SqlValue.Of((DateTimeOffset?)null),
            SqlValue.Of((Guid?)null),
        ];
        command.Parameters.AddRange(values);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var items = new List<Document>(limit + 1);
        while (await reader.ReadAsync(cancellationToken))
        {
            items.Add(DocumentReading.Read(reader, owner, body: false));
        }

        return items;
    }

    public static async Task<Document> CreateAsync(
        NpgsqlDataSource source,
        Guid owner,
        NewDocument created,
        CancellationToken cancellationToken
    )
    {
        var document = Make(created);
        await using var connection = await source.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        Add(batch, DocumentSql.Insert, Birth(owner, document));
        Add(batch, DocumentSql.AddTags, [SqlValue.Of(owner), SqlValue.Of(document.Id), SqlValue.Of(created.Tags)]);
        Add(batch, DocumentSql.Count, Count(owner, document));
        await batch.ExecuteNonQueryAsync(cancellationToken);
        return document;
    }

    public static Document Make(NewDocument created)
    {
        var now = DateTimeOffset.UtcNow;
        now = new DateTimeOffset(now.Ticks / 10 * 10, TimeSpan.Zero);
        return new Document
        {
            Id = Guid.CreateVersion7(now),
            Content = new DocumentContent
            {
                Title = created.Title,
                Body = created.Body,
                Tags = created.Tags,
            },
            Version = 1,
            CreatedAt = now,
            CreatedBy = "user:bench",
            UpdatedAt = now,
            UpdatedBy = "user:bench",
        };
    }

    /// <summary>The parameters of the statement that counts and writes the change feed.</summary>
    public static NpgsqlParameter[] Count(Guid owner, Document document) =>
        [
            SqlValue.Of(owner),
            SqlValue.Of(1L),
            SqlValue.Of(0L),
            SqlValue.Of(DocumentRules.BytesOf(document.Content)),
            SqlValue.Of(1L),
            SqlValue.Of("document.created"),
            SqlValue.Of(document.Id),
            SqlValue.Of(1L),
            SqlValue.Of(document.UpdatedAt),
            SqlValue.Of(document.UpdatedBy),
            SqlValue.Of((long?)null),
            SqlValue.Of((long?)null),
        ];

    private static NpgsqlParameter[] Birth(Guid owner, Document document) =>
        [
            SqlValue.Of(owner),
            SqlValue.Of(document.Id),
            SqlValue.Of("created"),
            SqlValue.Of(document.Content.Title),
            SqlValue.Of(document.Content.Body),
            SqlValue.Of(document.Content.ContentType),
            SqlValue.Of(document.Content.Status),
            SqlValue.Of((Guid?)null),
            SqlValue.Of([.. document.Content.Tags]),
            SqlValue.Json(document.Content.Metadata),
            SqlValue.Of("english"),
            SqlValue.Of(DocumentRules.BytesOf(document.Content)),
            SqlValue.Of(document.CreatedAt),
            SqlValue.Of(document.CreatedBy),
        ];

    private static void Add(NpgsqlBatch batch, string sql, NpgsqlParameter[] values)
    {
        var command = new NpgsqlBatchCommand(sql);
        command.Parameters.AddRange(values);
        batch.BatchCommands.Add(command);
    }
}
