namespace TenantDocs.Moves;

/// <summary>What a plan says of a tenant whose writes are held while it is copied ("copy under fence").</summary>
internal static class HoldPlan
{
    /// <summary>Measured on two cores: copy, generated columns and indexes, comparison of both sides.</summary>
    public const double BytesPerSecond = 12_000_000;

    /// <summary>How long writes will wait, in milliseconds.</summary>
    public static int PauseOf(long bytes) => (int)(250 + (bytes / BytesPerSecond * 1000));

    /// <summary>Adds what is to be known, and what forbids it.</summary>
    /// <param name="leg">The move.</param>
    /// <param name="canStream">Whether it could be streamed instead: then it is held because it is small.</param>
    /// <param name="bytes">Of its rows.</param>
    /// <param name="heldFor">How long a request waits for a move at most.</param>
    /// <param name="blockers">What forbids it.</param>
    /// <param name="notes">What is to be known.</param>
    public static void Judge(
        MoveLeg leg,
        bool canStream,
        long bytes,
        TimeSpan heldFor,
        List<MoveFinding> blockers,
        List<MoveFinding> notes
    )
    {
        var needed = PauseOf(bytes);
        notes.Add(
            canStream
                ? new(
                    "under-fence",
                    "The tenant is small (Moves:UnderFenceBytes): its writes are held while it is copied."
                )
                : new(
                    "wal-level",
                    "The source's wal_level is not logical: the tenant's writes are held while it is copied."
                )
        );
        if (needed > heldFor.TotalMilliseconds)
        {
            notes.Add(
                new(
                    "long-pause",
                    FormattableString.Invariant(
                        $"Writes wait for about {needed} ms. A request waits for {heldFor.TotalSeconds:0.#} s at most (Isolation:MoveDeadline) and is then answered with 503."
                    )
                )
            );
        }

        // A small one that has grown since is stopped by its budget.
        if (needed > leg.MaxPauseMs && !canStream)
        {
            blockers.Add(
                new(
                    "wal-level",
                    FormattableString.Invariant(
                        $"Holding the tenant while it is copied takes about {needed} ms, more than maxWritePauseMs ({leg.MaxPauseMs}). Set wal_level = logical, or allow that pause."
                    )
                )
            );
        }
    }
}
