using System.Collections.Concurrent;

namespace TenantDocs.Catalog;

/// <summary>One reading for all who want the same at the same time.</summary>
internal sealed class SharedReads<TKey, TValue>(Func<TKey, Task<TValue>> read)
    where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, TaskCompletionSource<TValue>> _running = new();

    /// <summary>Joins the reading that is under way, or begins one. Nobody's cancellation ends it for the others.</summary>
    public Task<TValue> ReadAsync(TKey key, CancellationToken cancellationToken)
    {
        var own = new TaskCompletionSource<TValue>(TaskCreationOptions.RunContinuationsAsynchronously);
        var running = _running.GetOrAdd(key, own);
        if (running == own)
        {
            _ = RunAsync(key, own);
        }

        return running.Task.WaitAsync(cancellationToken);
    }

    // Known before it begins and forgotten before it ends, whatever interrupts this thread in between: a reading that is over
    // and still joined would tell everybody for ever what was so once.
    private async Task RunAsync(TKey key, TaskCompletionSource<TValue> own)
    {
        try
        {
            var value = await read(key);
            _running.TryRemove(key, out _);
            own.SetResult(value);
        }
        catch (Exception e)
        {
            _running.TryRemove(key, out _);
            own.SetException(e);
        }
    }
}
