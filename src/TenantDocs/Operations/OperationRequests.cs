using System.Text.Json;
using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Operations;

/// <summary>An operation to begin.</summary>
/// <param name="Type">Name of its <see cref="OperationType"/>.</param>
/// <param name="Input">What is asked for; kept as JSON.</param>
/// <param name="RequestedBy">Who asks.</param>
public sealed record NewOperation(string Type, object Input, string RequestedBy)
{
    /// <summary>Its identity, where the caller wants to choose it.</summary>
    public Guid Id { get; init; } = Guid.CreateVersion7();

    /// <summary>The tenant that it works on.</summary>
    public TenantId? Tenant { get; init; }

    /// <summary>That tenant's slug.</summary>
    public string? TenantSlug { get; init; }

    /// <summary>False: goes on beside other operations of the same tenant. Default true: one at a time.</summary>
    public bool Exclusive { get; init; } = true;

    /// <summary>What it is about to create, where that is known already.</summary>
    public IReadOnlyList<OperationObject> Objects { get; init; } = [];
}

/// <summary>An operation that was begun.</summary>
/// <param name="Operation">As it was written down.</param>
/// <param name="Completion">Its end, when this very process carries it out; null otherwise.</param>
public sealed record StartedOperation(Operation Operation, Task<Operation?>? Completion);

/// <summary>Begins operations, shows them, and tells them to stop or go on.</summary>
public sealed class OperationRequests(
    CatalogDatabase catalog,
    OperationTypes types,
    OperationWorker worker,
    OperationNotices notices,
    IOptions<OperationOptions> options,
    TimeProvider time
)
{
    internal const string Steps = "steps";

    private const string InsertSql = $"""
        INSERT INTO operations AS o (id, type, tenant_id, tenant_slug, status, phase, phases, total, unit, input, cancellable,
                                     requested_by, exclusive, created_at, started_at, run_after, lease_owner, lease_token,
                                     lease_until)
        VALUES ($1, $2, $3, $4, CASE WHEN $5::uuid IS NULL THEN 'pending' ELSE 'running' END, $6, $7, $8, '{Steps}', $9, $10,
                $11, $12, now(), CASE WHEN $5 IS NOT NULL THEN now() END, now(), $5, CASE WHEN $5 IS NULL THEN 0 ELSE 1 END,
                CASE WHEN $5 IS NOT NULL THEN now() + make_interval(secs => $13) END)
        RETURNING {OperationRows.Columns}
        """;

    private const string SelectSql = $"SELECT {OperationRows.Columns} FROM operations AS o WHERE o.id = $1";

    private const string ActiveSql =
        "SELECT o.id FROM operations AS o WHERE o.tenant_id = $1 AND o.exclusive AND o.finished_at IS NULL";

    private const string CancelSql = $"""
        UPDATE operations AS o SET status = 'cancelling', run_after = now()
         WHERE o.id = $1 AND o.cancellable AND NOT o.undoing AND o.status IN ('pending', 'running', 'waiting')
        RETURNING {OperationRows.Columns}
        """;

    private const string SignalSql = $"""
        UPDATE operations AS o
           SET signals = o.signals || jsonb_build_object($2::text, $3::jsonb),
               run_after = CASE WHEN o.lease_owner IS NULL THEN now() ELSE o.run_after END
         WHERE o.id = $1 AND o.finished_at IS NULL
        RETURNING {OperationRows.Columns}
        """;

    /// <summary>
    /// Writes an operation down, together with <paramref name="before"/> in one transaction, and begins it at once when
    /// this process has a free worker; else it is taken from the queue.
    /// </summary>
    /// <returns>409 <c>operation-in-progress</c> when the tenant has an unfinished operation; nothing was written then.</returns>
    public async Task<Result<StartedOperation>> StartAsync(
        NewOperation request,
        CancellationToken cancellationToken,
        CatalogWrites? before = null
    )
    {
        var type = types[request.Type];
        var room = worker.TryReserve(type);
        Operation operation;
        try
        {
            operation = await InsertAsync(request, type, room is not null, before, cancellationToken);
        }
        catch (Exception e)
        {
            room?.Release();
            if (
                e is PostgresException
                {
                    SqlState: PostgresErrorCodes.UniqueViolation,
                    ConstraintName: "operations_active"
                }
            )
            {
                return await InProgressAsync(request, cancellationToken);
            }

            throw;
        }

        return new StartedOperation(operation, room is null ? null : worker.Begin(operation, room));
    }

    /// <summary>An operation by id.</summary>
    public async Task<Operation?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(SelectSql);
        command.Parameters.Add(SqlValue.Of(id));
        return await FirstAsync(command, cancellationToken);
    }

    /// <summary>The operation when it has ended, or as it is after <paramref name="atMost"/>.</summary>
    public async Task<Operation> WaitAsync(
        StartedOperation started,
        TimeSpan atMost,
        CancellationToken cancellationToken
    )
    {
        var start = time.GetTimestamp();
        if (started.Completion is { } completion)
        {
            await Task.WhenAny(completion, Task.Delay(atMost, time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
            if (completion.IsCompletedSuccessfully && await completion is { IsFinished: true } ended)
            {
                return ended;
            }
        }

        using var notice = notices.Subscribe(OperationNotices.WatcherOf(started.Operation.Id));
        while (true)
        {
            var operation = await FindAsync(started.Operation.Id, cancellationToken) ?? started.Operation;
            var left = atMost - time.GetElapsedTime(start);
            if (operation.IsFinished || left <= TimeSpan.Zero)
            {
                return operation;
            }

            var poll = options.Value.PollInterval;
            await notice.WaitAsync(left < poll ? left : poll, cancellationToken);
        }
    }

    /// <summary>
    /// Asks an operation to stop and take back what it did. Accepted only in a phase that says so; asking twice is one
    /// request. Answers 404, or 409 <c>operation-not-cancellable</c>.
    /// </summary>
    public async Task<Result<Operation>> CancelAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(CancelSql);
        command.Parameters.Add(SqlValue.Of(id));
        if (await FirstAsync(command, cancellationToken) is { } cancelling)
        {
            return cancelling;
        }

        return await FindAsync(id, cancellationToken) switch
        {
            null => Error.NotFound,
            { Status: OperationStatus.Cancelling or OperationStatus.Cancelled } already => already,
            { IsFinished: true } => NotCancellable("It has ended already."),
            { Undoing: true } => NotCancellable("It failed and is taking back what it did."),
            var busy => NotCancellable($"In its phase '{busy.Phase}' it can only go on."),
        };
    }

    /// <summary>
    /// Gives an operation a signal that one of its steps waits for; a second one of the same name replaces the first.
    /// Answers 404, or 409 <c>invalid-state</c>.
    /// </summary>
    public async Task<Result<Operation>> SignalAsync(
        Guid id,
        string signal,
        object payload,
        CancellationToken cancellationToken
    )
    {
        await using var command = catalog.Source.CreateCommand(SignalSql);
        command.Parameters.Add(SqlValue.Of(id));
        command.Parameters.Add(SqlValue.Of(signal));
        command.Parameters.Add(SqlValue.Json(OperationJson.Write(payload).GetRawText()));
        if (await FirstAsync(command, cancellationToken) is { } signalled)
        {
            return signalled;
        }

        return await FindAsync(id, cancellationToken) is null
            ? Error.NotFound
            : new Error(ErrorKind.Conflict, "invalid-state", "The operation has ended; it takes no more signals.");
    }

    private async Task<Error> InProgressAsync(NewOperation request, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(ActiveSql);
        command.Parameters.Add(SqlValue.Of(request.Tenant?.Value));
        var active = await command.ExecuteScalarAsync(cancellationToken) as Guid?;
        return new Error(
            ErrorKind.Conflict,
            "operation-in-progress",
            "Another operation of this tenant has not ended yet; nothing was changed. Wait for it, or cancel it."
        )
        {
            // It may have ended in the meantime.
            Extensions = active is null ? [] : new Dictionary<string, object?> { ["operation"] = active },
        };
    }

    private static Error NotCancellable(string why) =>
        new(ErrorKind.Conflict, "operation-not-cancellable", $"The operation cannot be cancelled now. {why}");

    private async Task<Operation> InsertAsync(
        NewOperation request,
        OperationType type,
        bool take,
        CatalogWrites? before,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await catalog.Source.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        before?.MoveTo(batch);
        batch.BatchCommands.Add(InsertCommand(request, type, take ? worker.Id : null));
        var journal = new CatalogWrites();
        foreach (var planned in request.Objects)
        {
            OperationJournal.Plan(journal, request.Id, planned);
        }

        journal.MoveTo(batch);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        Operation? inserted = null;
        do
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                inserted ??= reader.FieldCount > 20 ? OperationRows.Read(reader) : null;
            }
        } while (await reader.NextResultAsync(cancellationToken));

        return inserted!;
    }

    private NpgsqlBatchCommand InsertCommand(NewOperation request, OperationType type, Guid? owner)
    {
        var input = OperationJson.Write(request.Input);
        var steps = type.Steps(Draft(request, input));
        return new NpgsqlBatchCommand(InsertSql)
        {
            Parameters =
            {
                SqlValue.Of(request.Id),
                SqlValue.Of(request.Type),
                SqlValue.Of(request.Tenant?.Value),
                SqlValue.Of(request.TenantSlug),
                SqlValue.Of(owner),
                SqlValue.Of(steps[0].Phase),
                SqlValue.Of(steps.Select(s => s.Phase).Distinct().ToArray()),
                SqlValue.Of((long)steps.Count),
                SqlValue.Json(input.GetRawText()),
                new NpgsqlParameter<bool> { TypedValue = steps[0].Cancellable },
                SqlValue.Of(request.RequestedBy),
                new NpgsqlParameter<bool> { TypedValue = request.Exclusive },
                new NpgsqlParameter<double> { TypedValue = options.Value.LeaseTime.TotalSeconds },
            },
        };
    }

    private Operation Draft(NewOperation request, JsonElement input) =>
        new()
        {
            Id = request.Id,
            Type = request.Type,
            Tenant = request.Tenant,
            TenantSlug = request.TenantSlug,
            Status = OperationStatus.Pending,
            Phases = [],
            Progress = new OperationProgress(0, 0, Steps),
            Input = input,
            State = OperationJson.Empty,
            Cancellable = true,
            RequestedBy = request.RequestedBy,
            CreatedAt = time.GetUtcNow(),
            Step = 0,
            Undoing = false,
            Attempts = 0,
            Signals = OperationJson.Empty,
        };

    private static async Task<Operation?> FirstAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? OperationRows.Read(reader) : null;
    }
}
