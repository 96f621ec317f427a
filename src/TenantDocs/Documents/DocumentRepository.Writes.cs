using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Documents;

// A write is computed here in C# and sent as one batch: gate, claim of the idempotency key, document with its version,
// tags, and last the tenant's counters with the change. PostgreSQL commits it at the end of the batch or not at all.
internal sealed partial class DocumentRepository
{
    // A change without a version of its own (restore, If-Match: *) that lost a race starts over from what is there now.
    private const int MaxAttempts = 10;

    public async Task<Result<DocumentOutcome>> CreateAsync(
        Tenant tenant,
        Guid? id,
        DocumentContent content,
        DocumentWrite write,
        CancellationToken cancellationToken
    )
    {
        if (DocumentRules.Judge(content, MaxBody(write)) is { } error)
        {
            return error;
        }

        var now = time.GetUtcNow();
        var step = DocumentStep.Born(id ?? Guid.CreateVersion7(now), content, write.Actor, now);
        try
        {
            await SendAsync(tenant, step, write, cancellationToken);
            return new DocumentOutcome(step.After, null);
        }
        catch (PostgresException e) when (IsKeyTaken(e))
        {
            return await ReplayAsync(tenant, write, cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UniqueViolation)
        {
            var current = await FindAsync(tenant, step.Subject.Id, trashed: true, cancellationToken);
            return PreconditionFailed("A document with this id exists already; nothing was changed.", current);
        }
        catch (PostgresException e) when (DocumentWriteErrors.Explain(e, write) is { } explained)
        {
            return explained;
        }
    }

    public async Task<Result<DocumentOutcome>> ChangeAsync(
        Tenant tenant,
        Guid id,
        DocumentChange change,
        DocumentWrite write,
        CancellationToken cancellationToken
    )
    {
        for (var attempt = 1; ; attempt++)
        {
            var (current, earlier, kept) = await ReadBeforeAsync(tenant, id, change, write, cancellationToken);
            if (kept is not null)
            {
                return kept.Value;
            }

            if (Refuse(current, change, write) is { } refusal)
            {
                return refusal;
            }

            var moment = new DocumentMoment(current!, earlier, write.Actor, time.GetUtcNow(), MaxBody(write));
            var step = DocumentStep.Of(change, moment);
            if (step.Error is { } error)
            {
                return error;
            }

            try
            {
                if (!step.Value.IsNothing || write.Idempotency is not null)
                {
                    await SendAsync(tenant, step.Value, write, cancellationToken);
                }

                return new DocumentOutcome(step.Value.Subject, null);
            }
            catch (PostgresException e) when (IsKeyTaken(e))
            {
                return await ReplayAsync(tenant, write, cancellationToken);
            }
            catch (PostgresException e) when (e.SqlState is TenantSqlState.VersionMismatch && attempt < MaxAttempts)
            {
                // Somebody else was faster. The next round sees their version and answers 412 to who named another.
            }
            catch (PostgresException e) when (DocumentWriteErrors.Explain(e, write) is { } explained)
            {
                return explained;
            }
        }
    }

    private int MaxBody(DocumentWrite write) =>
        (int)Math.Min(options.Value.MaxBodyBytes, write.Limits.BodyBytes ?? int.MaxValue);

    private static Error? Refuse(Document? current, DocumentChange change, DocumentWrite write)
    {
        if (current is null)
        {
            return Error.NotFound;
        }

        if (change.Reach(current) is { } unreachable)
        {
            return unreachable;
        }

        if (write.Precondition is not { } precondition)
        {
            return change.NeedsPrecondition ? DocumentWriteErrors.PreconditionRequired : null;
        }

        return precondition.Admits(current.Version)
            ? null
            : PreconditionFailed("The document changed since; nothing was changed. Read it again.", current);
    }

    private static Error PreconditionFailed(string detail, Document? current) =>
        new(ErrorKind.PreconditionFailed, "precondition-failed", detail) { CurrentETag = current?.ETag };

    private static bool IsKeyTaken(PostgresException e) =>
        e is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "idempotency_keys_pkey" };

    private Task<(Document? Current, DocumentContent? Earlier, Result<DocumentOutcome>? Kept)> ReadBeforeAsync(
        Tenant tenant,
        Guid id,
        DocumentChange change,
        DocumentWrite write,
        CancellationToken cancellationToken
    ) =>
        sessions.ReadAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch();
                batch.Add(DocumentSql.Find, SqlValue.Of(tenant.Id.Value), SqlValue.Of(id));
                if (change is DocumentChange.RestoreVersion restore)
                {
                    batch.Add(
                        DocumentSql.FindVersion,
                        SqlValue.Of(tenant.Id.Value),
                        SqlValue.Of(id),
                        SqlValue.Of(restore.Version)
                    );
                }

                // The key after the document: each statement has a snapshot of its own, and a repetition that saw the
                // first request's document must also see its key.
                AddFindKey(batch, tenant, write);
                await using var reader = await batch.ReadAsync(token);
                var current = await ReadOneAsync(reader, tenant, token);
                DocumentContent? earlier = null;
                if (change is DocumentChange.RestoreVersion)
                {
                    await reader.NextResultAsync(token);
                    earlier = await reader.ReadAsync(token)
                        ? DocumentReading.ReadVersion(reader, tenant.Id.Value)
                        : null;
                }

                var kept = await reader.NextResultAsync(token)
                    ? await ReadKeptAsync(reader, tenant, write, token)
                    : null;
                return (current, earlier, kept);
            },
            cancellationToken
        );

    /// <summary>The key was there after all: the answer to the request that came first.</summary>
    private async Task<Result<DocumentOutcome>> ReplayAsync(
        Tenant tenant,
        DocumentWrite write,
        CancellationToken cancellationToken
    ) =>
        await sessions.ReadAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch();
                AddFindKey(batch, tenant, write);
                await using var reader = await batch.ReadAsync(token);
                return await ReadKeptAsync(reader, tenant, write, token);
            },
            cancellationToken
        ) ?? DocumentWriteErrors.KeyInFlight;

    private void AddFindKey(TenantBatch batch, Tenant tenant, DocumentWrite write)
    {
        if (write.Idempotency is { } idempotency)
        {
            batch.Add(
                DocumentSql.FindKey,
                SqlValue.Of(tenant.Id.Value),
                SqlValue.Of(idempotency.Key),
                SqlValue.Of(time.GetUtcNow() - DocumentRules.IdempotencyKept)
            );
        }
    }

    private static async Task<Result<DocumentOutcome>?> ReadKeptAsync(
        NpgsqlDataReader reader,
        Tenant tenant,
        DocumentWrite write,
        CancellationToken token
    )
    {
        if (!await reader.ReadAsync(token))
        {
            return null;
        }

        DocumentReading.Guard(reader, tenant.Id.Value);
        if (!reader.GetFieldValue<byte[]>(1).AsSpan().SequenceEqual(write.Idempotency!.RequestHash))
        {
            return (Result<DocumentOutcome>)DocumentWriteErrors.KeyReused;
        }

        var answer = new StoredAnswer(reader.GetInt32(2), Text(3), Text(4), Text(5));
        return (Result<DocumentOutcome>)new DocumentOutcome(null, answer);

        string? Text(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
    }

    private Task<int> SendAsync(
        Tenant tenant,
        DocumentStep step,
        DocumentWrite write,
        CancellationToken cancellationToken
    ) =>
        sessions.WriteAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch();
                if (write.Idempotency is { } idempotency)
                {
                    batch.AddKey(tenant, idempotency, step.Subject, time.GetUtcNow());
                }

                if (!step.IsNothing)
                {
                    batch.AddStep(tenant, step, write);
                }

                return await batch.ExecuteAsync(token);
            },
            cancellationToken
        );
}
