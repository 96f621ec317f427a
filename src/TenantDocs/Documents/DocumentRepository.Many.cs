using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Documents;

// Several documents in one transaction, for imports.
internal sealed partial class DocumentRepository
{
    public Task<IReadOnlyDictionary<Guid, Document>> FindManyAsync(
        Tenant tenant,
        IReadOnlyCollection<Guid> ids,
        bool includeBody,
        CancellationToken cancellationToken
    ) =>
        sessions.ReadAsync<IReadOnlyDictionary<Guid, Document>>(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch();
                batch.Add(
                    includeBody ? DocumentSql.FindManyWithBody : DocumentSql.FindMany,
                    SqlValue.Of(tenant.Id.Value),
                    SqlValue.Of([.. ids])
                );
                var found = await ReadAllAsync(batch, tenant, includeBody, token);
                return found.ToDictionary(d => d.Id);
            },
            cancellationToken
        );

    public Task<IReadOnlyList<Document>> ListSourceAsync(
        Tenant tenant,
        string source,
        Guid after,
        int limit,
        CancellationToken cancellationToken
    ) =>
        sessions.ReadAsync<IReadOnlyList<Document>>(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch();
                batch.Add(
                    DocumentSql.OfSource,
                    SqlValue.Of(tenant.Id.Value),
                    SqlValue.Of(source),
                    SqlValue.Of(after),
                    SqlValue.Of(limit)
                );
                return await ReadAllAsync(batch, tenant, body: false, token);
            },
            cancellationToken
        );

    public async Task<Result<IReadOnlyList<Document>>> WriteManyAsync(
        Tenant tenant,
        IReadOnlyList<DocumentEdit> edits,
        DocumentWrite write,
        CancellationToken cancellationToken
    )
    {
        var now = time.GetUtcNow();
        var steps = new List<DocumentStep>(edits.Count);
        // In order of their ids: two batches that lock the same rows wait for each other instead of for ever.
        foreach (var edit in edits.OrderBy(e => e.Id))
        {
            var step = StepOf(edit, write, now);
            if (step.Error is { } error)
            {
                return error;
            }

            if (!step.Value.IsNothing)
            {
                steps.Add(step.Value);
            }
        }

        return steps.Count == 0
            ? Array.Empty<Document>()
            : await SendManyAsync(tenant, steps, write, cancellationToken);
    }

    private async Task<Result<IReadOnlyList<Document>>> SendManyAsync(
        Tenant tenant,
        List<DocumentStep> steps,
        DocumentWrite write,
        CancellationToken cancellationToken
    )
    {
        try
        {
            await sessions.WriteAsync(
                tenant,
                async (session, token) =>
                {
                    await using var batch = session.CreateBatch();
                    batch.AddSteps(tenant, steps, write);
                    return await batch.ExecuteAsync(token);
                },
                cancellationToken
            );
            return steps.ConvertAll(s => s.Subject);
        }
        catch (PostgresException e)
            when (e.SqlState is PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.DeadlockDetected)
        {
            return DocumentWriteErrors.Conflict;
        }
        catch (PostgresException e) when (DocumentWriteErrors.Explain(e, write) is { } explained)
        {
            return explained;
        }
    }

    private Result<DocumentStep> StepOf(DocumentEdit edit, DocumentWrite write, DateTimeOffset now)
    {
        if (edit.After is { } content && DocumentRules.Judge(content, MaxBody(write)) is { } error)
        {
            return error;
        }

        if (edit.Before is not { } before)
        {
            return edit.After is { } born
                ? DocumentStep.Born(edit.Id, born, write.Actor, now)
                : new DocumentStep(null, null, DocumentChangeType.Deleted, now);
        }

        var next = new DocumentMoment(before, null, write.Actor, now, MaxBody(write)).Successor();
        return (edit.After, before.DeletedAt) switch
        {
            (null, null) => new DocumentStep(
                before,
                next with
                {
                    DeletedAt = next.UpdatedAt,
                },
                DocumentChangeType.Deleted,
                now
            ),
            (null, not null) => new DocumentStep(before, before, DocumentChangeType.Deleted, now),
            ({ } after, not null) => new DocumentStep(
                before,
                next with
                {
                    Content = after,
                    DeletedAt = null,
                },
                DocumentChangeType.Restored,
                now
            ),
            ({ } after, null) => new DocumentStep(
                before,
                after.Equals(before.Content) ? before : next with { Content = after },
                DocumentChangeType.Updated,
                now
            ),
        };
    }

    private static async Task<List<Document>> ReadAllAsync(
        TenantBatch batch,
        Tenant tenant,
        bool body,
        CancellationToken token
    )
    {
        await using var reader = await batch.ReadAsync(token);
        var found = new List<Document>();
        while (await reader.ReadAsync(token))
        {
            found.Add(DocumentReading.Read(reader, tenant.Id.Value, body));
        }

        return found;
    }
}
