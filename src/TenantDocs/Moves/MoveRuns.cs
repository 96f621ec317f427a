using System.Collections.Concurrent;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>The runs of this process, by operation.</summary>
internal sealed class MoveRuns : IAsyncDisposable
{
    private readonly ConcurrentDictionary<Guid, MoveRun> _runs = new();

    /// <summary>The run of this operation's lease, or a new one.</summary>
    public async Task<MoveRun> ObtainAsync(OperationContext context, MoveLeg leg, Func<long, Task<MoveRun>> take)
    {
        var token = leg.TokenBase + context.Operation.LeaseToken;
        if (_runs.TryGetValue(context.Operation.Id, out var run))
        {
            if (run.Token == token && !(run.HasFaulted))
            {
                return run;
            }

            await ReleaseAsync(context.Operation.Id);
        }

        run = await take(context.Operation.LeaseToken);
        _runs[context.Operation.Id] = run;
        return run;
    }

    /// <summary>The run of an operation, when this process has one.</summary>
    public MoveRun? Find(Guid operation) => _runs.GetValueOrDefault(operation);

    /// <summary>Lets go of everything that this process holds of moves; another one takes them over.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var operation in _runs.Keys)
        {
            await ReleaseAsync(operation);
        }
    }

    /// <summary>Lets go of the run of this lease; one that a later lease has made in this process stays.</summary>
    public Task LetGoAsync(Operation taken) =>
        Find(taken.Id) is { } run && run.LeaseToken == taken.LeaseToken ? ReleaseAsync(taken.Id) : Task.CompletedTask;

    /// <summary>Lets go of everything that a run holds.</summary>
    public async Task ReleaseAsync(Guid operation)
    {
        if (_runs.TryRemove(operation, out var run))
        {
            await run.DisposeAsync();
        }
    }
}
