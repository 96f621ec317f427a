using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Documents;

/// <summary>By how much a write changes the tenant's counters.</summary>
internal readonly record struct DocumentCounts(long Documents, long Trashed, long Bytes, long Versions);

/// <summary>The statements of a write, in the order that keeps the lock on the tenant's counters shortest.</summary>
internal static class DocumentBatch
{
    public static void AddKey(
        this TenantBatch batch,
        Tenant tenant,
        DocumentIdempotency idempotency,
        Document subject,
        DateTimeOffset now
    )
    {
        var answer = idempotency.Render(subject);
        var owner = tenant.Id.Value;
        batch
            .Add(DocumentSql.ClaimKey, SqlValue.Of(owner), SqlValue.Of(idempotency.Key))
            .Add(
                DocumentSql.ForgetKey,
                SqlValue.Of(owner),
                SqlValue.Of(idempotency.Key),
                SqlValue.Of(now - DocumentRules.IdempotencyKept)
            )
            .Add(
                DocumentSql.KeepAnswer,
                SqlValue.Of(owner),
                SqlValue.Of(idempotency.Key),
                SqlValue.Of(idempotency.RequestHash),
                SqlValue.Of(answer.Status),
                SqlValue.Of(answer.ETag),
                SqlValue.Of(answer.Location),
                SqlValue.Of(answer.Body),
                SqlValue.Of(now)
            );
    }

    public static void AddStep(this TenantBatch batch, Tenant tenant, DocumentStep step, DocumentWrite write)
    {
        batch.AddRows(tenant, step);
        batch.AddCount(
            tenant,
            new DocumentCounts(step.Documents, step.Trashed, step.Bytes, step.Versions),
            step.FeedItem(write.Actor),
            write.Limits
        );
    }

    /// <summary>Several steps: all their rows, and only then the counters, which one statement moves for all of them.</summary>
    public static void AddSteps(
        this TenantBatch batch,
        Tenant tenant,
        IReadOnlyList<DocumentStep> steps,
        DocumentWrite write
    )
    {
        foreach (var step in steps)
        {
            batch.AddRows(tenant, step);
        }

        var items = steps.Select(s => s.FeedItem(write.Actor)).ToArray();
        batch.Add(
            DocumentSql.CountMany,
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(steps.Sum(s => s.Documents)),
            SqlValue.Of(steps.Sum(s => s.Trashed)),
            SqlValue.Of(steps.Sum(s => s.Bytes)),
            SqlValue.Of(steps.Sum(s => s.Versions)),
            SqlValue.Of(Array.ConvertAll(items, i => i.Type.ToFeedText())),
            SqlValue.Of(Array.ConvertAll(items, i => i.DocumentId)),
            SqlValue.Of(Array.ConvertAll(items, i => i.Version)),
            SqlValue.Of(Array.ConvertAll(items, i => i.At)),
            SqlValue.Of(write.Actor),
            SqlValue.Of(write.Limits.Documents),
            SqlValue.Of(write.Limits.Bytes)
        );
    }

    private static void AddRows(this TenantBatch batch, Tenant tenant, DocumentStep step)
    {
        switch (step)
        {
            case { Before: null, After: { } born }:
                batch.Add(DocumentSql.Insert, Birth(tenant, born));
                break;
            case { Before: { } before, After: null }:
                batch.Add(
                    DocumentSql.Purge,
                    SqlValue.Of(tenant.Id.Value),
                    SqlValue.Of(before.Id),
                    SqlValue.Of(before.Version)
                );
                break;
            case { Before: { } before, After: { } after }:
                batch.AddUpdate(tenant, before, after, step.Type);
                break;
        }

        batch.AddTags(tenant, step);
    }

    public static TenantBatch AddCount(
        this TenantBatch batch,
        Tenant tenant,
        DocumentCounts counts,
        DocumentFeedItem item,
        DocumentLimits limits
    ) =>
        batch.Add(
            DocumentSql.Count,
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(counts.Documents),
            SqlValue.Of(counts.Trashed),
            SqlValue.Of(counts.Bytes),
            SqlValue.Of(counts.Versions),
            SqlValue.Of(item.Type.ToFeedText()),
            SqlValue.Of(item.DocumentId),
            SqlValue.Of(item.Version),
            SqlValue.Of(item.At),
            SqlValue.Of(item.Actor),
            SqlValue.Of(limits.Documents),
            SqlValue.Of(limits.Bytes)
        );

    private static void AddUpdate(
        this TenantBatch batch,
        Tenant tenant,
        Document before,
        Document after,
        DocumentChangeType type
    )
    {
        var (old, content) = (before.Content, after.Content);
        NpgsqlParameter[] all =
        [
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(after.Id),
            SqlValue.Of(type.ToText()),
            SqlValue.Of(before.Version),
            SqlValue.Of(after.UpdatedAt),
            SqlValue.Of(after.UpdatedBy),
            SqlValue.Of(after.DeletedAt),
            SqlValue.Of(content.ContentType),
            SqlValue.Of(content.Status),
            SqlValue.Of(content.CollectionId),
            SqlValue.Of([.. content.Tags]),
            SqlValue.Json(content.Metadata),
        ];
        if (old.Title == content.Title && old.Body == content.Body)
        {
            batch.Add(DocumentSql.UpdateAllButText, all);
        }
        else
        {
            batch.Add(
                DocumentSql.Update,
                [
                    .. all,
                    SqlValue.Of(content.Title),
                    SqlValue.Of(content.Body),
                    SqlValue.Of(DocumentRules.BytesOf(content)),
                ]
            );
        }
    }

    private static void AddTags(this TenantBatch batch, Tenant tenant, DocumentStep step)
    {
        // Only live documents have rows there; a purge takes place in the trash.
        var before = step.Before is { DeletedAt: null } old ? old.Content.Tags : [];
        var after = step.After is { DeletedAt: null } live ? live.Content.Tags : [];
        if (before.SequenceEqual(after))
        {
            return;
        }

        if (before.Count > 0)
        {
            batch.Add(DocumentSql.RemoveTags, SqlValue.Of(tenant.Id.Value), SqlValue.Of(step.Subject.Id));
        }

        if (after.Count > 0)
        {
            batch.Add(
                DocumentSql.AddTags,
                SqlValue.Of(tenant.Id.Value),
                SqlValue.Of(step.Subject.Id),
                SqlValue.Of([.. after])
            );
        }
    }

    private static NpgsqlParameter[] Birth(Tenant tenant, Document document)
    {
        var content = document.Content;
        return
        [
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(document.Id),
            SqlValue.Of(DocumentChangeType.Created.ToText()),
            SqlValue.Of(content.Title),
            SqlValue.Of(content.Body),
            SqlValue.Of(content.ContentType),
            SqlValue.Of(content.Status),
            SqlValue.Of(content.CollectionId),
            SqlValue.Of([.. content.Tags]),
            SqlValue.Json(content.Metadata),
            SqlValue.Of(tenant.Language),
            SqlValue.Of(DocumentRules.BytesOf(content)),
            SqlValue.Of(document.CreatedAt),
            SqlValue.Of(document.CreatedBy),
        ];
    }
}
