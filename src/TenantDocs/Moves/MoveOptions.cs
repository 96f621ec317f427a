using System.ComponentModel.DataAnnotations;

namespace TenantDocs.Moves;

/// <summary>Settings of the section <c>Moves</c>.</summary>
public sealed class MoveOptions
{
    /// <summary>The longest that a move may hold a tenant's writes before it aborts itself, in milliseconds. Default 500.</summary>
    [Range(10, 60_000)]
    public int MaxWritePauseMs { get; set; } = 500;

    /// <summary>How long the source is kept, and the way back open. Default 1 hour.</summary>
    public TimeSpan KeepSourceFor { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Moves at a time from or to one server; further ones wait. Default 2.</summary>
    [Range(1, 100)]
    public int MovesPerServer { get; set; } = 2;

    /// <summary>
    /// Tables copied at a time; each keeps a processor of the source and one of the target busy. Default half of this process's
    /// processors, 1 to 4.
    /// </summary>
    [Range(1, 32)]
    public int ParallelTables { get; set; } = Math.Clamp(Environment.ProcessorCount / 2, 1, 4);

    /// <summary>
    /// Copy and comparison slow down while a server of the move that others use takes longer than this for the smallest durable
    /// commit, and longer than it did before them. Default 3 ms.
    /// </summary>
    public TimeSpan SourceLatencyLimit { get; set; } = TimeSpan.FromMilliseconds(3);

    /// <summary>
    /// A tenant whose rows take no more bytes than this is held while it is copied, instead of streamed: no replication slot,
    /// and a move that is over in a second; but writes wait for longer than for the end of a stream, and there is no way back.
    /// Who asks for a word before the switch, or for a kept source, is streamed all the same. Default 0: none.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int UnderFenceBytes { get; set; }

    /// <summary>How long a long transaction is waited for, in short attempts, before the move gives up. Default 1 minute.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How long a server may take nothing of a copy and give nothing, or leave a statement of the mover without any answer,
    /// before the move gives up on it. What holds a tenant's writes has limits of its own. Default 5 minutes.
    /// </summary>
    public TimeSpan SilenceLimit { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Keys that changed since the comparison and are compared again while writes are held, at most. Default 4,000.</summary>
    [Range(10, 100_000)]
    public int MaxChangedKeysInPause { get; set; } = 4_000;

    /// <summary>How often the stream that keeps the source current catches up. Default 2 s.</summary>
    public TimeSpan ReturnInterval { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How often the kept home is compared with the tenant's, row by row, as long as the source is kept; zero: never. When they
    /// differ, the way back is closed with the table and the keys. Default 15 minutes.
    /// </summary>
    public TimeSpan CompareInterval { get; set; } = TimeSpan.FromMinutes(15);
}
