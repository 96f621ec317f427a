using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Documents;

// The audited definer function finds and ranks by the index; the join shows its hits to the policy again.
internal sealed partial class DocumentRepository
{
    public Task<Page<DocumentHit, SearchPosition>> SearchAsync(
        Tenant tenant,
        DocumentSearch search,
        CancellationToken cancellationToken
    ) =>
        sessions.ReadAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch();
                batch.Add(
                    DocumentSql.Search,
                    SqlValue.Of(tenant.Id.Value),
                    SqlValue.Of(tenant.Language),
                    SqlValue.Of(search.Text),
                    SqlValue.Of(search.Limit + 1),
                    SqlValue.Of(search.After?.Score ?? 0f),
                    SqlValue.Of(search.After?.Id),
                    SqlValue.Of(search.Tag),
                    SqlValue.Of(HighlightText.Controls),
                    SqlValue.Of(HighlightText.PassageOptions),
                    SqlValue.Of(HighlightText.TitleOptions),
                    SqlValue.Of(search.CollectionId)
                );
                await using var reader = await batch.ReadAsync(token);
                var hits = new List<DocumentHit>();
                while (await reader.ReadAsync(token))
                {
                    DocumentReading.Guard(reader, tenant.Id.Value);
                    hits.Add(
                        new DocumentHit(
                            reader.GetGuid(1),
                            reader.GetString(2),
                            reader.GetFloat(3),
                            HighlightText.Passages(reader.GetString(4), reader.GetString(5))
                        )
                    );
                }

                if (hits.Count <= search.Limit)
                {
                    return new Page<DocumentHit, SearchPosition>(hits, null);
                }

                hits.RemoveAt(hits.Count - 1);
                return new Page<DocumentHit, SearchPosition>(hits, new SearchPosition(hits[^1].Score, hits[^1].Id));
            },
            cancellationToken
        );
}
