namespace TenantDocs.Moves;

/// <summary>How many rows the comparison reads at a time, from how long the ones before took without the round trip.</summary>
/// <param name="Quick">More, when they took less.</param>
/// <param name="Slow">Fewer, when they took more.</param>
internal sealed record PieceSize(TimeSpan Quick, TimeSpan Slow)
{
    /// <summary>To begin with.</summary>
    public const int First = 64;

    private const int Most = 2048;

    // A server that answers late for other reasons would make the pieces ever smaller, and the comparison would not end: so
    // fewer than these only where the rows are a burden by themselves.
    private const int Few = 32;
    private static readonly TimeSpan Burden = TimeSpan.FromMilliseconds(60);

    /// <summary>Both servers are busy with a piece for as long as others' requests may wait for it.</summary>
    public static PieceSize Polite { get; } = new(TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(4));

    /// <summary>Where nobody gives way: the round trip does not matter.</summary>
    public static PieceSize Plain { get; } = new(TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(40));

    /// <summary>The size after a piece of a size that took so long.</summary>
    public int After(int size, TimeSpan took) =>
        took < Quick ? Math.Min(size * 2, Most)
        : took > Burden ? Math.Max(size / 2, 1)
        : took > Slow && size > Few ? Math.Max(size / 2, Few)
        : size;
}
