using System.Collections.Frozen;

namespace TenantDocs.Documents;

/// <summary>
/// Every list statement there is, made once from constants: no part of a request ever becomes part of a text. $1 tenant,
/// $2 limit, $3 status, $4 since, $5 tag, $6 collection, $7 and $8 the position.
/// </summary>
internal static class DocumentListSql
{
    /// <summary>Once the documents before have more bytes than this, a page with bodies ends.</summary>
    private const long MaxPageBytes = 16 * 1024 * 1024;

    private static readonly FrozenDictionary<Shape, string> Texts = Shapes().ToFrozenDictionary(s => s, Build);

    public static string For(DocumentQuery query) =>
        Texts[
            new Shape(
                query.Sort,
                query.After is not null,
                query.Tag is not null,
                query.CollectionId is not null,
                query.Status is not null || query.UpdatedSince is not null,
                query.Trashed,
                query.IncludeBody
            )
        ];

    private static IEnumerable<Shape> Shapes() =>
        from sort in Enum.GetValues<DocumentSort>()
        from bits in Enumerable.Range(0, 64)
        select new Shape(
            sort,
            (bits & 1) != 0,
            (bits & 2) != 0,
            (bits & 4) != 0,
            (bits & 8) != 0,
            (bits & 16) != 0,
            (bits & 32) != 0
        );

    private static string Build(Shape shape)
    {
        var (key, parameter) = shape.Sort switch
        {
            DocumentSort.UpdatedAt or DocumentSort.UpdatedAtDescending => ("d.updated_at", "$7"),
            DocumentSort.CreatedAt or DocumentSort.CreatedAtDescending => ("d.created_at", "$7"),
            _ => ("d.title COLLATE \"C\"", "$7 COLLATE \"C\""),
        };
        var descending =
            shape.Sort
            is DocumentSort.UpdatedAtDescending
                or DocumentSort.CreatedAtDescending
                or DocumentSort.TitleDescending;
        var (way, beyond) = descending ? ("DESC", "<") : ("ASC", ">");
        return $"""
            SELECT {DocumentSql.Columns}{(shape.Body ? Body($"{key} {way}, d.id {way}") : "")}
              FROM documents AS d
             WHERE d.tenant_id = $1
               AND d.deleted_at {(shape.Trashed ? "IS NOT NULL" : "IS NULL")}
               {(shape.Collection ? "AND d.collection_id = $6" : "")}
               {(shape.Filtered ? "AND ($3 IS NULL OR d.status = $3) AND ($4 IS NULL OR d.updated_at >= $4)" : "")}
               {(shape.Tag ? TagFilter(shape.Trashed) : "")}
               {(shape.After ? $"AND ({key}, d.id) {beyond} ({parameter}, $8)" : "")}
             ORDER BY {key} {way}, d.id {way}
             LIMIT $2
            """;
    }

    // A page of large bodies would be read whole and mostly thrown away: beyond the page's bytes the server leaves them out.
    // The first row always has its body, so that each page goes on.
    private static string Body(string order) =>
        $", CASE WHEN sum(d.bytes) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING) - d.bytes <= {MaxPageBytes} THEN d.body END";

    // The table of tags holds live documents only; the trash is small and has its own index.
    private static string TagFilter(bool trashed) =>
        trashed
            ? "AND $5 = ANY (d.tags)"
            : "AND EXISTS (SELECT FROM document_tags AS t WHERE t.tenant_id = $1 AND t.tag = $5 AND t.document_id = d.id)";

    private readonly record struct Shape(
        DocumentSort Sort,
        bool After,
        bool Tag,
        bool Collection,
        bool Filtered,
        bool Trashed,
        bool Body
    );
}
