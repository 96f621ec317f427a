using TenantDocs.Database;

namespace TenantDocs.Moves;

/// <summary>The keys that changed since both sides were last found equal. Safe for one writer and any readers.</summary>
internal sealed class DirtyKeys
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PgIdentifier, Dictionary<string, string[]>> _byTable = [];
    private int _count;

    /// <summary>How many keys, over all tables.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Notes the rows that a change touches.</summary>
    public void Add(RowChange change)
    {
        lock (_lock)
        {
            if (change.Values.Length > 0)
            {
                Add(change.Table, change.Values);
            }

            if (change.OldValues is { } old)
            {
                Add(change.Table, old);
            }
        }
    }

    /// <summary>The keys of a table, each by the order of the primary key's columns.</summary>
    public IReadOnlyCollection<string[]> Of(MoveTable table)
    {
        lock (_lock)
        {
            return _byTable.TryGetValue(table.Name, out var keys) ? [.. keys.Values] : [];
        }
    }

    private void Add(StreamTable table, string?[] row)
    {
        if (!_byTable.TryGetValue(table.Target.Name, out var keys))
        {
            _byTable.Add(table.Target.Name, keys = new Dictionary<string, string[]>(StringComparer.Ordinal));
        }

        string[] key = [.. table.Key.Select(position => row[position]!)];
        if (keys.TryAdd(string.Join('\0', key), key))
        {
            _count++;
        }
    }
}
