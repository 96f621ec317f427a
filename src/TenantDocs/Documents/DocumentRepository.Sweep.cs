using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Documents;

// What time removes: trash that stayed too long, and idempotency keys that are no longer kept.
internal sealed partial class DocumentRepository
{
    private const string SweepActor = "system";

    public async Task<int> SweepAsync(
        Tenant tenant,
        DateTimeOffset before,
        int limit,
        CancellationToken cancellationToken
    )
    {
        var now = DocumentRules.Microseconds(time.GetUtcNow());
        var (expired, hasOldKeys) = await FindExpiredAsync(tenant, before, limit, now, cancellationToken);
        if (expired.Count == 0 && !hasOldKeys)
        {
            return 0;
        }

        try
        {
            return await sessions.WriteAsync(
                tenant,
                async (session, token) =>
                {
                    await using var batch = session.CreateBatch();
                    batch.Add(
                        DocumentSql.ForgetOldKeys,
                        SqlValue.Of(tenant.Id.Value),
                        SqlValue.Of(now - DocumentRules.IdempotencyKept)
                    );
                    foreach (var document in expired)
                    {
                        AddPurge(batch, tenant, document, now);
                    }

                    await batch.ExecuteAsync(token);
                    return expired.Count;
                },
                cancellationToken
            );
        }
        catch (PostgresException e) when (e.SqlState is TenantSqlState.VersionMismatch)
        {
            // One of them was restored or removed in this moment: none was touched, the next sweep looks again.
            return 0;
        }
    }

    private static void AddPurge(TenantBatch batch, Tenant tenant, ExpiredDocument document, DateTimeOffset now) =>
        batch
            .Add(
                DocumentSql.Purge,
                SqlValue.Of(tenant.Id.Value),
                SqlValue.Of(document.Id),
                SqlValue.Of(document.Version)
            )
            .AddCount(
                tenant,
                new DocumentCounts(0, -1, -document.Bytes, -document.Version),
                new DocumentFeedItem(0, DocumentChangeType.Purged, document.Id, document.Version, now, SweepActor),
                DocumentLimits.None
            );

    private Task<(List<ExpiredDocument> Expired, bool HasOldKeys)> FindExpiredAsync(
        Tenant tenant,
        DateTimeOffset before,
        int limit,
        DateTimeOffset now,
        CancellationToken cancellationToken
    ) =>
        sessions.ReadAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch();
                batch
                    .Add(DocumentSql.Expired, SqlValue.Of(tenant.Id.Value), SqlValue.Of(before), SqlValue.Of(limit))
                    .Add(
                        DocumentSql.HasOldKeys,
                        SqlValue.Of(tenant.Id.Value),
                        SqlValue.Of(now - DocumentRules.IdempotencyKept)
                    );
                await using var reader = await batch.ReadAsync(token);
                var found = new List<ExpiredDocument>();
                while (await reader.ReadAsync(token))
                {
                    DocumentReading.Guard(reader, tenant.Id.Value);
                    found.Add(new ExpiredDocument(reader.GetGuid(1), reader.GetInt64(2), reader.GetInt64(3)));
                }

                await reader.NextResultAsync(token);
                await reader.ReadAsync(token);
                return (found, reader.GetBoolean(0));
            },
            cancellationToken
        );

    private readonly record struct ExpiredDocument(Guid Id, long Version, long Bytes);
}
