using TenantDocs.Database;

namespace TenantDocs.Moves;

/// <summary>The key of a row: the text of the primary key's columns, in their order.</summary>
internal readonly record struct RowKey(PgIdentifier Table, string[] Values)
{
    public override string ToString() => $"{Table.Name} ({string.Join(',', Values)})";
}

/// <summary>The keys that changed since both sides were last found equal. Safe for concurrent use.</summary>
internal sealed class DirtyKeys
{
    private readonly Lock _lock = new();
    private Dictionary<PgIdentifier, Dictionary<string, string[]>> _byTable = [];
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
                Add(Key(change.Table, change.Values));
            }

            if (change.OldValues is { } old)
            {
                Add(Key(change.Table, old));
            }
        }
    }

    /// <summary>Notes keys.</summary>
    public void Add(IEnumerable<RowKey> keys)
    {
        lock (_lock)
        {
            foreach (var key in keys)
            {
                Add(key);
            }
        }
    }

    /// <summary>Takes all keys out.</summary>
    public IReadOnlyList<RowKey> Take()
    {
        lock (_lock)
        {
            var all = All();
            _byTable = [];
            _count = 0;
            return all;
        }
    }

    /// <summary>All keys.</summary>
    public IReadOnlyList<RowKey> Read()
    {
        lock (_lock)
        {
            return All();
        }
    }

    private List<RowKey> All() => [.. _byTable.SelectMany(t => t.Value.Values.Select(v => new RowKey(t.Key, v)))];

    private static RowKey Key(StreamTable table, string?[] row) =>
        new(table.Target.Name, [.. table.Key.Select(position => row[position]!)]);

    private void Add(RowKey key)
    {
        if (!_byTable.TryGetValue(key.Table, out var keys))
        {
            _byTable.Add(key.Table, keys = new Dictionary<string, string[]>(StringComparer.Ordinal));
        }

        // The first column is the tenant, the same for all.
        if (keys.TryAdd(string.Join('\0', key.Values.AsSpan(1)!), key.Values))
        {
            _count++;
        }
    }
}
