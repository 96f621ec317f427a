using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace TenantDocs.Operations;

/// <summary>
/// What a step knows of its operation, and how it writes to it. Every write is refused with
/// <see cref="LeaseLostException"/> once another worker has taken the operation over. Safe for concurrent use.
/// </summary>
public sealed class OperationContext : IDisposable
{
    private static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(500);

    private readonly OperationLease _lease;
    private readonly OperationNotices _notices;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly JsonObject _state;
    private readonly Lock _lock = new();
    private Operation _operation;
    private long _reportedAt;

    internal OperationContext(OperationLease lease, Operation operation, OperationNotices notices, TimeProvider time)
    {
        _lease = lease;
        _notices = notices;
        _time = time;
        _operation = operation;
        _state = JsonObject.Create(operation.State) ?? [];
        _reportedAt = time.GetTimestamp();
    }

    /// <summary>The operation as this worker knows it.</summary>
    public Operation Operation
    {
        get
        {
            lock (_lock)
            {
                return _operation;
            }
        }
    }

    /// <summary>True when the current step may have run before, wholly or in part.</summary>
    public bool MayHaveRun { get; internal set; }

    /// <summary>True once a cancellation was accepted.</summary>
    public bool IsCancelling => Operation.Status is OperationStatus.Cancelling;

    /// <summary>
    /// Catalog changes that commit together with the completion of the current step. A <see cref="OperationStep.CheckAsync"/>
    /// that answers true adds the same ones as the step's work would have.
    /// </summary>
    public CatalogWrites OnCompletion { get; internal set; } = new();

    /// <summary>What the completion of the current step changes; null where it cannot be written early.</summary>
    internal Func<Operation, Operation>? Completion { get; set; }

    /// <summary>Called when a completion is durable and this worker has not heard of it yet.</summary>
    internal Func<ValueTask>? OnWritten { get; set; }

    /// <summary>The completion that a step has written early.</summary>
    internal EarlyCompletion? Early { get; private set; }

    /// <summary>What was asked for.</summary>
    public T Input<T>() => Operation.InputAs<T>();

    /// <summary>What a step kept under that name; default when nothing was.</summary>
    public T? Kept<T>(string name)
    {
        lock (_lock)
        {
            return _state[name] is { } value ? value.Deserialize<T>(OperationJson.Options) : default;
        }
    }

    /// <summary>Keeps a value for later steps; durable with the next write (at the latest the step's completion).</summary>
    public void Keep<T>(string name, T value)
    {
        lock (_lock)
        {
            _state[name] = JsonSerializer.SerializeToNode(value, OperationJson.Options);
        }
    }

    /// <summary>Sets what the operation's clients get as its result; durable with the next write.</summary>
    public void SetResult(object result) => Change(o => o with { Result = OperationJson.Write(result) });

    /// <summary>Writes what was kept, and further catalog changes in the same transaction.</summary>
    /// <exception cref="LeaseLostException">Another worker holds the operation; nothing was written.</exception>
    public Task SaveAsync(CancellationToken cancellationToken, CatalogWrites? writes = null) =>
        WriteAsync(o => o, writes ?? new CatalogWrites(), false, null, cancellationToken);

    /// <summary>
    /// Tells people how far the work is. Written at most twice a second: the last word comes with the heartbeat or the
    /// step's completion.
    /// </summary>
    public async Task ReportAsync(long done, long total, string unit, CancellationToken cancellationToken)
    {
        bool due;
        lock (_lock)
        {
            _operation = _operation with { Progress = new OperationProgress(done, total, unit) };
            due = _time.GetElapsedTime(_reportedAt) >= ReportInterval;
            _reportedAt = due ? _time.GetTimestamp() : _reportedAt;
        }

        if (due && !await HeartbeatAsync(cancellationToken))
        {
            throw new LeaseLostException();
        }
    }

    /// <summary>Changes the phase within a step.</summary>
    public Task EnterPhaseAsync(string phase, bool cancellable, CancellationToken cancellationToken) =>
        WriteAsync(
            o => o with { Phase = phase, Cancellable = cancellable },
            new CatalogWrites(),
            // From here on a cancellation is refused; one that was accepted before is still carried out.
            unlessCancelling: true,
            null,
            cancellationToken
        );

    /// <summary>A signal that was given to the operation (<see cref="OperationRequests.SignalAsync"/>).</summary>
    public bool TryGetSignal(string name, [NotNullWhen(true)] out JsonElement? payload)
    {
        payload = Operation.Signals.TryGetProperty(name, out var value) ? value : null;
        return payload is not null;
    }

    /// <summary>
    /// Waits for a signal while the step goes on holding its worker: the operation is <c>waiting</c> and heartbeats.
    /// Work that needs no process meanwhile returns <see cref="StepOutcome.Wait"/> instead.
    /// </summary>
    public async Task<JsonElement> WaitForSignalAsync(string name, CancellationToken cancellationToken)
    {
        JsonElement? payload;
        if (!TryGetSignal(name, out payload))
        {
            await SetStatusAsync(OperationStatus.Waiting, cancellationToken);
            await HearAsync([name], cancellationToken);
            payload = Operation.Signals.GetProperty(name);
            await SetStatusAsync(OperationStatus.Running, cancellationToken);
        }

        return payload.Value;
    }

    /// <summary>Returns when one of these signals has been given, while the step's work goes on beside this.</summary>
    /// <exception cref="LeaseLostException">Another worker holds the operation.</exception>
    public async Task HearAsync(IReadOnlyCollection<string> names, CancellationToken cancellationToken)
    {
        using var notices = _notices.Subscribe(OperationNotices.HolderOf(Operation.Id));
        while (!names.Any(n => TryGetSignal(n, out _)))
        {
            await notices.WaitAsync(_lease.Duration / 3, cancellationToken);
            if (!await HeartbeatAsync(cancellationToken))
            {
                throw new LeaseLostException();
            }
        }
    }

    /// <summary>Writes down what is about to be created; returns when that is durable.</summary>
    /// <exception cref="LeaseLostException">Another worker holds the operation: create nothing.</exception>
    public Task PlanAsync(OperationObject planned, CancellationToken cancellationToken) =>
        SaveAsync(cancellationToken, OperationJournal.Plan(new CatalogWrites(), Operation.Id, planned));

    /// <summary>Notes, with the step's completion, that a planned object stays or is gone.</summary>
    public void Settle(OperationObject planned, bool kept) =>
        OperationJournal.Settle(OnCompletion, Operation.Id, planned, kept);

    /// <summary>Opens what a step needs to write its completion early; the caller disposes it.</summary>
    internal async Task<EarlyCompletion> OpenCompletionAsync(CancellationToken cancellationToken) =>
        Early = new EarlyCompletion(
            _lease,
            await _lease.OpenAsync(cancellationToken),
            _writing,
            () => Next(Completion ?? (o => o))
        );

    /// <summary>Commits what a step has written early.</summary>
    internal async Task CommitAsync(EarlyCompletion early, CancellationToken cancellationToken)
    {
        var written = await early.CommitAsync(cancellationToken);
        await (OnWritten?.Invoke() ?? ValueTask.CompletedTask);
        lock (_lock)
        {
            _operation = written;
        }
    }

    /// <summary>Lets go of the operation's row, when a step that wrote early does not come to its end.</summary>
    internal Task RollbackAsync() => Early?.RollbackAsync() ?? Task.CompletedTask;

    /// <inheritdoc />
    public void Dispose() => _writing.Dispose();

    internal async Task<Operation> WriteAsync(
        Func<Operation, Operation> change,
        CatalogWrites writes,
        bool unlessCancelling,
        TimeSpan? release,
        CancellationToken cancellationToken
    )
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            var written = await _lease.WriteAsync(Next(change), writes, unlessCancelling, release, cancellationToken);
            await (OnWritten?.Invoke() ?? ValueTask.CompletedTask);
            lock (_lock)
            {
                _operation = written;
            }

            return written;
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Extends the lease and learns what others wrote; false when the lease is lost.</summary>
    internal async Task<bool> HeartbeatAsync(CancellationToken cancellationToken)
    {
        if (await _lease.HeartbeatAsync(Operation.Progress, cancellationToken) is not { } row)
        {
            return false;
        }

        lock (_lock)
        {
            // Others write only these two: everything else here is at least as new as the row.
            var status = row.Status is OperationStatus.Cancelling ? row.Status : _operation.Status;
            _operation = _operation with { Signals = row.Signals, Status = status };
        }

        return true;
    }

    /// <summary>
    /// Asks the catalog what became of a write whose answer did not come. True when it was written: this worker then
    /// knows the row as it is.
    /// </summary>
    /// <exception cref="LeaseLostException">The operation has ended, or another worker holds it.</exception>
    internal async Task<bool> AdoptAsync(CancellationToken cancellationToken)
    {
        // Waits for a transaction of ours that the server is still committing: it has the row locked.
        if (await _lease.HeartbeatAsync(Operation.Progress, cancellationToken) is not { } row)
        {
            throw new LeaseLostException();
        }

        lock (_lock)
        {
            var isNewer = row.Step != _operation.Step;
            _operation = isNewer ? row : _operation;
            return isNewer;
        }
    }

    private Operation Next(Func<Operation, Operation> change)
    {
        lock (_lock)
        {
            return change(_operation) with { State = JsonSerializer.SerializeToElement(_state) };
        }
    }

    private Task<Operation> SetStatusAsync(OperationStatus status, CancellationToken cancellationToken) =>
        WriteAsync(o => o with { Status = status }, new CatalogWrites(), true, null, cancellationToken);

    private void Change(Func<Operation, Operation> change)
    {
        lock (_lock)
        {
            _operation = change(_operation);
        }
    }
}
