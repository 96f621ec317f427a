using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Documents;

// Documents that were written while the tenant had another language are indexed again in the one that it has.
internal sealed partial class DocumentRepository
{
    private const int MostReindexed = 100;

    // A fence waits for the writes before it: this much text keeps a move's pause waiting for some 50 ms, not for seconds.
    private const long MostReindexedBytes = 256 * 1024;

    public async Task<(int Count, Guid? Last)> ReindexAsync(
        Tenant tenant,
        Guid after,
        CancellationToken cancellationToken
    )
    {
        var stale = await FindStaleAsync(tenant, after, cancellationToken);
        if (stale.Count > 0)
        {
            await sessions.WriteAsync(
                tenant,
                async (session, token) =>
                {
                    await using var batch = session.CreateBatch();
                    batch.Add(
                        DocumentSql.Reindex,
                        SqlValue.Of(tenant.Id.Value),
                        SqlValue.Of([.. stale]),
                        SqlValue.Of(tenant.Language)
                    );
                    return await batch.ExecuteAsync(token);
                },
                cancellationToken
            );
        }

        return (stale.Count, stale.Count > 0 ? stale[^1] : null);
    }

    private Task<List<Guid>> FindStaleAsync(Tenant tenant, Guid after, CancellationToken cancellationToken) =>
        sessions.ReadAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch();
                batch.Add(
                    DocumentSql.Stale,
                    SqlValue.Of(tenant.Id.Value),
                    SqlValue.Of(after),
                    SqlValue.Of(tenant.Language),
                    SqlValue.Of(MostReindexed)
                );
                await using var reader = await batch.ReadAsync(token);
                var found = new List<Guid>();
                var bytes = 0L;
                while (await reader.ReadAsync(token))
                {
                    DocumentReading.Guard(reader, tenant.Id.Value);
                    bytes += reader.GetInt64(2);
                    if (found.Count > 0 && bytes > MostReindexedBytes)
                    {
                        break;
                    }

                    found.Add(reader.GetGuid(1));
                }

                return found;
            },
            cancellationToken
        );
}
