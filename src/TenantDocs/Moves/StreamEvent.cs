using NpgsqlTypes;

namespace TenantDocs.Moves;

/// <summary>What a stream of changes says, in commit order.</summary>
internal abstract record StreamEvent;

/// <summary>What happened to a row.</summary>
internal enum ChangeKind
{
    Insert,
    Update,
    Delete,
}

/// <summary>A change of one row, every value in PostgreSQL's text form.</summary>
internal sealed record RowChange : StreamEvent
{
    /// <summary>Stands for a value that the update left alone and that the server did not send (TOAST).</summary>
    public static readonly string Unchanged = new('u', 1);

    public required StreamTable Table { get; init; }

    public required ChangeKind Kind { get; init; }

    /// <summary>The new row by <see cref="StreamTable.Columns"/>; empty for a delete.</summary>
    public required string?[] Values { get; init; }

    /// <summary>The key that the row had, by the order of the columns; null when an update did not change it.</summary>
    public string?[]? OldValues { get; init; }

    public int Size { get; init; }

    public static bool IsUnchanged(string? value) => ReferenceEquals(value, Unchanged);
}

/// <summary>A transactional message: everything before it is before the transaction that wrote it.</summary>
internal sealed record StreamMarker(Guid Id) : StreamEvent;

/// <summary>A source transaction that was committed at that position, and at that time by the source's clock, begins to arrive.</summary>
internal sealed record StreamBegin(NpgsqlLogSequenceNumber CommitLsn, DateTime CommittedAt) : StreamEvent;

/// <summary>The end of a source transaction.</summary>
internal sealed record StreamCommit(NpgsqlLogSequenceNumber Lsn) : StreamEvent;

/// <summary>A table as the stream describes it, bound to the target's table of the same name.</summary>
internal sealed record StreamTable(MoveTable Target, IReadOnlyList<MoveColumn> Columns)
{
    /// <summary>Positions of the key's columns in a row.</summary>
    public IReadOnlyList<int> Key { get; } =
    [.. Target.Key.Select(k => Columns.Index().First(c => c.Item.Name == k.Name).Index)];

    public int Tenant => Key[0];
}
