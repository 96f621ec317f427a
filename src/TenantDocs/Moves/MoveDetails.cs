namespace TenantDocs.Moves;

/// <summary>How far a table is, for people.</summary>
internal sealed record MoveTableProgress(string Name, long Rows, long RowsExpected, long Bytes, bool Finished);

/// <summary>What people see of a running move besides its phase; clients get it as <c>details</c>.</summary>
internal sealed record MoveDetails
{
    public const string Key = "details";

    /// <summary>The copy by table.</summary>
    public IReadOnlyList<MoveTableProgress>? Tables { get; init; }

    /// <summary>Bytes copied per second, over all tables.</summary>
    public long? BytesPerSecond { get; init; }

    /// <summary>Seconds until the copy ends, at this rate.</summary>
    public double? SecondsLeft { get; init; }

    /// <summary>True while the copy goes slowly because the source answers late.</summary>
    public bool? Throttled { get; init; }

    /// <summary>How long a change takes from the source to the target.</summary>
    public double? LagMs { get; init; }

    /// <summary>Changes streamed so far.</summary>
    public long? Changes { get; init; }

    /// <summary>The longest that writes may wait.</summary>
    public int? PauseBudgetMs { get; init; }

    /// <summary>How long they waited.</summary>
    public double? PauseUsedMs { get; init; }

    /// <summary>What the comparison found; null before it.</summary>
    public bool? Equal { get; init; }

    public static MoveDetails Copying(
        IReadOnlyCollection<CopyProgress> progress,
        MoveProgressPlan? plan,
        TimeSpan elapsed,
        bool throttled
    )
    {
        var bytes = progress.Sum(p => p.Bytes);
        var rate = bytes / Math.Max(0.001, elapsed.TotalSeconds);
        return new MoveDetails
        {
            Tables =
            [
                .. progress.Select(p => new MoveTableProgress(
                    p.Table,
                    p.Rows,
                    Math.Max(p.Rows, plan?.Tables.FirstOrDefault(t => t.Name == p.Table)?.Rows ?? 0),
                    p.Bytes,
                    p.Finished
                )),
            ],
            BytesPerSecond = (long)rate,
            SecondsLeft = plan is null ? null : Math.Round(Math.Max(0, plan.Bytes - bytes) / Math.Max(1, rate), 1),
            Throttled = throttled,
        };
    }
}
