using Microsoft.Extensions.Options;
using TenantDocs.Catalog;

namespace TenantDocs.Isolation;

/// <summary>
/// Lets few writes of one tenant go on at a time in this process; the others wait here, in the order in which they came,
/// and without a connection.
/// </summary>
/// <remarks>
/// A tenant's commits are one after the other anyway: each takes the lock of its row in <c>tenant_state</c>. PostgreSQL
/// wakes all that wait for such a lock, one of them gets it, and where processors are few the one that has it waits for
/// its turn among those that were woken for nothing. For speed only: the row lock decides.
/// </remarks>
public sealed class WriteTurns(IOptions<IsolationOptions> options, TimeProvider time)
{
    private readonly Dictionary<TenantId, Turns> _tenants = [];
    private readonly Lock _lock = new();

    /// <summary>Waits for a turn; disposing it lets the next one in.</summary>
    /// <exception cref="ConnectionBudgetException">No turn came in the time in which a connection would have had to come.</exception>
    internal async ValueTask<WriteTurn> EnterAsync(TenantId tenant, CancellationToken cancellationToken)
    {
        TaskCompletionSource turn;
        lock (_lock)
        {
            if (!_tenants.TryGetValue(tenant, out var turns))
            {
                _tenants.Add(tenant, turns = new Turns());
            }

            if (turns.Writing < options.Value.MaxWritesPerTenant)
            {
                turns.Writing++;
                return new WriteTurn(this, tenant);
            }

            turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            turns.Waiting.Enqueue(turn);
        }

        try
        {
            await turn.Task.WaitAsync(options.Value.ConnectionTimeout, time, cancellationToken);
            return new WriteTurn(this, tenant);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            if (!turn.TrySetCanceled(CancellationToken.None))
            {
                Leave(tenant); // the turn came in the same moment
            }

            throw e is TimeoutException
                ? new ConnectionBudgetException($"All {options.Value.MaxWritesPerTenant} writes of the tenant")
                : e;
        }
    }

    internal void Leave(TenantId tenant)
    {
        lock (_lock)
        {
            var turns = _tenants[tenant];
            while (turns.Waiting.TryDequeue(out var next))
            {
                // Those that gave up a moment ago are passed over.
                if (next.TrySetResult())
                {
                    return;
                }
            }

            if (--turns.Writing == 0)
            {
                _tenants.Remove(tenant);
            }
        }
    }

    private sealed class Turns
    {
        public int Writing { get; set; }
        public Queue<TaskCompletionSource> Waiting { get; } = new();
    }
}

/// <summary>A write's turn.</summary>
/// <param name="Turns">Null where none was needed.</param>
/// <param name="Tenant">Whose.</param>
internal readonly record struct WriteTurn(WriteTurns? Turns, TenantId Tenant) : IDisposable
{
    public void Dispose() => Turns?.Leave(Tenant);
}
