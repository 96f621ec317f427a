using System.Diagnostics;
using Npgsql;
using TenantDocs.Database;

namespace TenantDocs.Isolation;

/// <summary>What <see cref="DataSourceRegistry"/> knows of one database; under its lock.</summary>
internal sealed class DatabasePool
{
    public DatabasePool((string Server, PgIdentifier Database) key, NpgsqlDataSource source)
    {
        Key = key;
        Source = source;
        Node = new LinkedListNode<DatabasePool>(this);
        LastUsed = Stopwatch.GetTimestamp();
    }

    public (string Server, PgIdentifier Database) Key { get; }
    public NpgsqlDataSource Source { get; }
    public LinkedListNode<DatabasePool> Node { get; }
    public int Leased { get; set; }
    public int Charged { get; set; }
    public int Waiting { get; set; }
    public int Opening { get; set; }
    public bool Forgotten { get; set; }
    public long LastUsed { get; set; }
}

/// <summary>Who waits for a connection of a database.</summary>
internal sealed record PoolWaiter(DatabasePool Pool)
{
    /// <summary>Ends with the turn: true when the connection has to be opened.</summary>
    public TaskCompletionSource<bool> Turn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
