using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Moves;

/// <summary>
/// Applies changes on the target in source order. Several source transactions go into one target transaction (one commit
/// each would never catch up), together with how far the stream was applied: a change is applied once, whatever crashes.
/// </summary>
/// <remarks>Proof: ChangeApplierTests.</remarks>
internal sealed class ChangeApplier(NpgsqlConnection connection, TenantId tenant, Guid link, long token)
{
    private const int MaxStatements = 200;
    private const int MaxCharacters = 1 << 20;

    // A server that does not answer is reached over another connection well before the move loses its patience.
    private const int ApplySeconds = 20;
    private readonly Dictionary<(StreamTable, ChangeKind, string), string> _sql = [];
    private readonly List<NpgsqlBatchCommand> _pending = [];
    private readonly List<int> _updates = [];
    private NpgsqlTransaction? _transaction;
    private int _characters;

    /// <summary>True when something waits to be committed.</summary>
    public bool HasWork => _pending.Count > 0 || _transaction is not null;

    /// <summary>True when so much has gathered that it should be committed at the next end of a source transaction.</summary>
    public bool IsFull => _transaction is not null || _pending.Count >= MaxStatements * 3 / 4;

    /// <summary>Rows that were changed here so far.</summary>
    public long Applied { get; private set; }

    /// <summary>Makes this mover the only one that may apply the stream here. Returns how far it was applied.</summary>
    public async Task<NpgsqlLogSequenceNumber> TakeAsync(CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("SELECT tenantdocs.take_link($1, $2, $3)")
            {
                Parameters = { SqlValue.Of(link), SqlValue.Of(tenant.Value), SqlValue.Of(token) },
            }
        );
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return reader.GetFieldValue<NpgsqlLogSequenceNumber>(0);
    }

    /// <summary>Takes a change; sends what has gathered when that is much.</summary>
    public async ValueTask AddAsync(RowChange change, CancellationToken cancellationToken)
    {
        Guard(change);
        if (change.Kind is ChangeKind.Update)
        {
            _updates.Add(_pending.Count);
        }

        _pending.Add(Command(change));
        _characters += change.Size;
        if (_pending.Count >= MaxStatements || _characters >= MaxCharacters)
        {
            _transaction ??= await BeginAsync(cancellationToken);
            await SendAsync(_pending.Count, cancellationToken);
        }
    }

    /// <summary>Commits everything taken so far, as of <paramref name="lsn"/>: the end of a source transaction.</summary>
    public async Task CommitAsync(NpgsqlLogSequenceNumber lsn, CancellationToken cancellationToken)
    {
        var statements = _pending.Count;
        _pending.Add(
            new NpgsqlBatchCommand(
                "UPDATE tenantdocs.move_progress SET lsn = $2, updated_at = clock_timestamp() WHERE link = $1"
            )
            {
                Parameters =
                {
                    SqlValue.Of(link),
                    new NpgsqlParameter<NpgsqlLogSequenceNumber>
                    {
                        TypedValue = lsn,
                        NpgsqlDbType = NpgsqlDbType.PgLsn,
                    },
                },
            }
        );
        if (_transaction is { } transaction)
        {
            await SendAsync(statements, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            await transaction.DisposeAsync();
            _transaction = null;
        }
        else
        {
            // All in one round trip: the batch is its own transaction.
            _pending.Insert(0, Open());
            for (var i = 0; i < _updates.Count; i++)
            {
                _updates[i]++;
            }

            await SendAsync(statements, cancellationToken);
        }
    }

    private async Task<NpgsqlTransaction> BeginAsync(CancellationToken cancellationToken)
    {
        var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(Open());
        await batch.ExecuteNonQueryAsync(cancellationToken);
        return transaction;
    }

    private NpgsqlBatchCommand Open() => OpenCommand(link, token);

    /// <summary>Ends the transaction unless this mover may write here: no later one took over, nobody else writes here.</summary>
    public static NpgsqlBatchCommand OpenCommand(Guid link, long token) =>
        new("SELECT tenantdocs.open_apply($1, $2)") { Parameters = { SqlValue.Of(link), SqlValue.Of(token) } };

    private async Task SendAsync(int statements, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection) { Timeout = ApplySeconds };
        foreach (var command in _pending)
        {
            batch.BatchCommands.Add(command);
        }

        await batch.ExecuteNonQueryAsync(cancellationToken);
        // The copy and the stream join exactly at the marker, so an update always finds its row.
        if (_updates.Exists(u => _pending[u].RecordsAffected != 1))
        {
            throw new MoveFaultException("An update of the source found no row on the target.");
        }

        Applied += statements;
        _pending.Clear();
        _updates.Clear();
        _characters = 0;
    }

    private void Guard(RowChange change)
    {
        var row = change.Kind is ChangeKind.Delete ? change.OldValues! : change.Values;
        if (!Guid.TryParse(row[change.Table.Tenant], out var owner) || owner != tenant.Value)
        {
            throw new MoveFaultException($"A row of another tenant came in the stream ('{change.Table.Target.Name}').");
        }
    }

    private NpgsqlBatchCommand Command(RowChange change)
    {
        var present = string.Concat(change.Values.Select(v => RowChange.IsUnchanged(v) ? '-' : '+'));
        if (!_sql.TryGetValue((change.Table, change.Kind, present), out var sql))
        {
            sql = ApplySql.For(change);
            _sql.Add((change.Table, change.Kind, present), sql);
        }

        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in change.Values)
        {
            if (!RowChange.IsUnchanged(value))
            {
                command.Parameters.Add(Text(value));
            }
        }

        if (change.Kind is not ChangeKind.Insert)
        {
            foreach (var position in change.Table.Key)
            {
                command.Parameters.Add(Text((change.OldValues ?? change.Values)[position]));
            }
        }

        return command;
    }

    // Of unknown type, like a literal: the server reads the text as the column's type.
    private static NpgsqlParameter Text(string? value) =>
        new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Unknown };
}

/// <summary>The three statements of the applier, by column name: order and schema differ between the sides, names never do.</summary>
internal static class ApplySql
{
    public static string For(RowChange change) =>
        change.Kind switch
        {
            ChangeKind.Insert => Insert(change),
            ChangeKind.Update => Update(change),
            _ => $"DELETE FROM {change.Table.Target.Quoted} WHERE {KeyIs(change.Table, 1)}",
        };

    // Overwrites what is there: the same change twice is the same row.
    private static string Insert(RowChange change)
    {
        var columns = change.Table.Columns;
        var names = string.Join(", ", columns.Select(c => c.Name.Quoted));
        var values = string.Join(", ", columns.Select((_, i) => Parameter(i + 1)));
        var key = string.Join(", ", change.Table.Target.Key.Select(c => c.Name.Quoted));
        var rest = columns.Where(c => !change.Table.Target.Key.Contains(c)).Select(c => c.Name.Quoted).ToList();
        var conflict =
            rest.Count == 0 ? "NOTHING" : "UPDATE SET " + string.Join(", ", rest.Select(n => $"{n} = EXCLUDED.{n}"));
        return $"INSERT INTO {change.Table.Target.Quoted} ({names}) VALUES ({values}) ON CONFLICT ({key}) DO {conflict}";
    }

    private static string Update(RowChange change)
    {
        var sent = change.Table.Columns.Where((_, i) => !RowChange.IsUnchanged(change.Values[i])).ToList();
        var set = string.Join(", ", sent.Select((c, i) => $"{c.Name.Quoted} = {Parameter(i + 1)}"));
        return $"UPDATE {change.Table.Target.Quoted} SET {set} WHERE {KeyIs(change.Table, sent.Count + 1)}";
    }

    private static string KeyIs(StreamTable table, int first) =>
        string.Join(
            " AND ",
            table.Key.Select((position, i) => $"{table.Columns[position].Name.Quoted} = {Parameter(first + i)}")
        );

    private static string Parameter(int number) => "$" + number.ToString(CultureInfo.InvariantCulture);
}
