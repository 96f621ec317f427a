using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Options;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Operations;

/// <summary>Which operations a list shows; null means any.</summary>
public sealed record OperationFilter
{
    /// <summary>Slug of the tenant.</summary>
    public string? Tenant { get; init; }

    /// <summary>Kind.</summary>
    public string? Type { get; init; }

    /// <summary>Status.</summary>
    public OperationStatus? Status { get; init; }

    /// <summary>Only operations older than this one in the list's order (creation, id; newest first).</summary>
    public (DateTimeOffset CreatedAt, Guid Id)? Before { get; init; }

    /// <summary>At most so many. Default 50.</summary>
    public int Limit { get; init; } = 50;
}

/// <summary>One change of an operation that people can see.</summary>
/// <param name="Seq">Grows within the operation; what a client that comes back names as the last one it saw.</param>
/// <param name="Operation">The operation after the change.</param>
public sealed record OperationEvent(long Seq, Operation Operation);

/// <summary>Lists operations and streams their changes.</summary>
public sealed class OperationHistory(
    CatalogDatabase catalog,
    OperationRequests queue,
    OperationNotices notices,
    IOptions<OperationOptions> options
)
{
    private const string ListSql = $"""
        SELECT {OperationRows.Columns} FROM operations AS o
         WHERE ($1::text IS NULL OR o.tenant_slug = $1)
           AND ($2::text IS NULL OR o.type = $2)
           AND ($3::text IS NULL OR o.status = $3)
           AND ($4::timestamptz IS NULL OR (o.created_at, o.id) < ($4, $5))
         ORDER BY o.created_at DESC, o.id DESC LIMIT $6
        """;

    private const string EventsSql =
        "SELECT seq, data::text FROM operation_events WHERE operation_id = $1 AND seq > $2 ORDER BY seq LIMIT 500";

    /// <summary>Operations, newest first.</summary>
    public async Task<IReadOnlyList<Operation>> ListAsync(OperationFilter filter, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(ListSql);
        command.Parameters.Add(SqlValue.Of(filter.Tenant));
        command.Parameters.Add(SqlValue.Of(filter.Type));
        command.Parameters.Add(SqlValue.Of(filter.Status?.ToText()));
        command.Parameters.Add(SqlValue.Of(filter.Before?.CreatedAt));
        command.Parameters.Add(SqlValue.Of(filter.Before?.Id));
        command.Parameters.Add(SqlValue.Of(filter.Limit));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var operations = new List<Operation>();
        while (await reader.ReadAsync(cancellationToken))
        {
            operations.Add(OperationRows.Read(reader));
        }

        return operations;
    }

    /// <summary>
    /// Every change after <paramref name="afterSeq"/>, each once and in order, as it happens; ends with the operation.
    /// </summary>
    public async IAsyncEnumerable<OperationEvent> WatchAsync(
        Operation operation,
        long afterSeq,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        using var notice = notices.Subscribe(OperationNotices.WatcherOf(operation.Id));
        while (true)
        {
            // The end is looked for first: events that came before it are then certain to be in what is read next.
            var finished = operation.IsFinished;
            foreach (var happened in await ReadAsync(operation, afterSeq, cancellationToken))
            {
                afterSeq = happened.Seq;
                yield return happened;
            }

            if (finished)
            {
                yield break;
            }

            await notice.WaitAsync(options.Value.PollInterval, cancellationToken);
            operation = await queue.FindAsync(operation.Id, cancellationToken) ?? operation;
        }
    }

    private async Task<IReadOnlyList<OperationEvent>> ReadAsync(
        Operation operation,
        long afterSeq,
        CancellationToken cancellationToken
    )
    {
        var events = new List<OperationEvent>();
        int before;
        do
        {
            before = events.Count;
            await using var command = catalog.Source.CreateCommand(EventsSql);
            command.Parameters.Add(SqlValue.Of(operation.Id));
            command.Parameters.Add(SqlValue.Of(events.Count > 0 ? events[^1].Seq : afterSeq));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                events.Add(new OperationEvent(reader.GetInt64(0), At(operation, reader.GetString(1))));
            }
        } while (events.Count - before == 500);

        return events;
    }

    private static Operation At(Operation operation, string json)
    {
        var seen = JsonSerializer.Deserialize<Seen>(json, OperationJson.Options)!;
        return operation with
        {
            Status = seen.Status,
            Phase = seen.Phase,
            Progress = new OperationProgress(seen.Done, seen.Total, seen.Unit),
            Cancellable = seen.Cancellable,
            StartedAt = seen.StartedAt?.ToUniversalTime(),
            FinishedAt = seen.FinishedAt?.ToUniversalTime(),
            Result = seen.Result,
            Problem = seen.Problem,
            Details = seen.Details,
        };
    }

    private sealed record Seen(
        OperationStatus Status,
        string? Phase,
        long Done,
        long Total,
        string Unit,
        bool Cancellable,
        DateTimeOffset? StartedAt,
        DateTimeOffset? FinishedAt,
        JsonElement? Result,
        JsonElement? Problem,
        JsonElement? Details
    );
}
