namespace TenantDocs.Moves;

/// <summary>The stream stands still behind a marker, so that the target is exactly as the source was there.</summary>
internal sealed class StreamPause(Task fault) : IDisposable
{
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _resumed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when the stream stands still.</summary>
    public Task Stopped => Task.WhenAny(_stopped.Task, fault).Unwrap();

    /// <summary>Lets the stream go on.</summary>
    public void Dispose() => _resumed.TrySetResult();

    internal Task StopAsync(CancellationToken cancellationToken)
    {
        _stopped.TrySetResult();
        return _resumed.Task.WaitAsync(cancellationToken);
    }
}
