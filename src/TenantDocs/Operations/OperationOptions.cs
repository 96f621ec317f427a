using System.ComponentModel.DataAnnotations;

namespace TenantDocs.Operations;

/// <summary>Settings of the section <c>Operations</c>.</summary>
public sealed class OperationOptions
{
    /// <summary>Whether this process carries out operations. Default true; a node that only serves sets it to false.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>Short operations at a time in this process. Default 4.</summary>
    [Range(1, 256)]
    public int Workers { get; set; } = 4;

    /// <summary>Operations of hours (moves) at a time in this process, beside the short ones. Default 8.</summary>
    [Range(1, 256)]
    public int LongWorkers { get; set; } = 8;

    /// <summary>
    /// After how long without a heartbeat another worker takes an operation over; after half of it when the worker's session in
    /// the catalog has ended too, as it does when its process is killed. Default 4 s: a tenant whose mover dies while it holds
    /// writes waits no longer, and a worker that was only slow commits nothing afterwards.
    /// </summary>
    public TimeSpan LeaseTime { get; set; } = TimeSpan.FromSeconds(4);

    /// <summary>How often the queue is looked at when no notification arrives. Default 1 s.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Attempts at one step before what was done is undone. Default 5.</summary>
    [Range(1, 100)]
    public int MaxAttempts { get; set; } = 5;

    /// <summary>Pause before the second attempt; doubles each time, up to <see cref="MaxRetryDelay"/>. Default 100 ms.</summary>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest pause between attempts. Default 30 s.</summary>
    public TimeSpan MaxRetryDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How often leftovers of failed operations are looked for. Default 30 s.</summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the events of a finished operation are kept. Default 7 days.</summary>
    public TimeSpan EventRetention { get; set; } = TimeSpan.FromDays(7);
}
