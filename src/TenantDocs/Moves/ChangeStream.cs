using System.Runtime.CompilerServices;
using System.Text;
using Npgsql.Replication;
using Npgsql.Replication.PgOutput;
using Npgsql.Replication.PgOutput.Messages;
using NpgsqlTypes;

namespace TenantDocs.Moves;

/// <summary>
/// Reads a replication slot with pgoutput. Values stay in text form: what PostgreSQL wrote is what the other side reads.
/// </summary>
internal sealed class ChangeStream(
    LogicalReplicationConnection connection,
    string slot,
    string publication,
    IReadOnlyList<MoveTable> target
)
{
    /// <summary>Prefix of the markers; messages of other prefixes are somebody else's.</summary>
    public const string MarkerPrefix = "tenantdocs";

    private readonly Dictionary<uint, StreamTable> _tables = [];
    private readonly Dictionary<string, MoveTable> _byName = target.ToDictionary(t => t.Name.Name);

    /// <summary>Yields changes, markers and ends of transactions; a rolled-back transaction never shows.</summary>
    /// <exception cref="MoveFaultException">A table has other columns than on the target.</exception>
    public async IAsyncEnumerable<StreamEvent> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Version 1 sends whole transactions at their commit: what is not committed never reaches the target.
        var options = new PgOutputReplicationOptions(publication, PgOutputProtocolVersion.V1, messages: true);
        var messages = connection.StartReplication(new PgOutputReplicationSlot(slot), options, cancellationToken);
        await foreach (var message in messages.WithCancellation(cancellationToken))
        {
            // Npgsql uses one object per kind again and again: everything is read before the next message.
            switch (message)
            {
                case BeginMessage begin:
                    yield return new StreamBegin(begin.TransactionFinalLsn, begin.TransactionCommitTimestamp);
                    break;
                case RelationMessage relation:
                    _tables[relation.RelationId] = Bind(relation);
                    break;
                case InsertMessage insert:
                    yield return await ReadAsync(insert.Relation, ChangeKind.Insert, null, insert.NewRow);
                    break;
                case IndexUpdateMessage update:
                    yield return await ReadAsync(update.Relation, ChangeKind.Update, update.Key, update.NewRow);
                    break;
                case FullUpdateMessage update:
                    yield return await ReadAsync(update.Relation, ChangeKind.Update, update.OldRow, update.NewRow);
                    break;
                case UpdateMessage update:
                    yield return await ReadAsync(update.Relation, ChangeKind.Update, null, update.NewRow);
                    break;
                case KeyDeleteMessage delete:
                    yield return await ReadAsync(delete.Relation, ChangeKind.Delete, delete.Key, null);
                    break;
                case FullDeleteMessage delete:
                    yield return await ReadAsync(delete.Relation, ChangeKind.Delete, delete.OldRow, null);
                    break;
                case LogicalDecodingMessage { Prefix: MarkerPrefix } marker:
                    if (await ReadMarkerAsync(marker, cancellationToken) is { } id)
                    {
                        yield return new StreamMarker(id);
                    }

                    break;
                case CommitMessage commit:
                    yield return new StreamCommit(commit.TransactionEndLsn);
                    break;
                default:
                    break;
            }
        }
    }

    /// <summary>Tells the server that everything up to there is durable on the other side and may be forgotten.</summary>
    public void Acknowledge(NpgsqlLogSequenceNumber lsn) => connection.SetReplicationStatus(lsn);

    private StreamTable Bind(RelationMessage relation)
    {
        if (!_byName.TryGetValue(relation.RelationName, out var table))
        {
            throw new MoveFaultException($"The table '{relation.RelationName}' does not exist on the target.");
        }

        var names = relation.Columns.Select(c => c.ColumnName).ToHashSet(StringComparer.Ordinal);
        if (!names.SetEquals(table.Columns.Select(c => c.Name.Name)))
        {
            throw new MoveFaultException($"The columns of '{table.Name}' changed during the move.");
        }

        return new StreamTable(
            table,
            [.. relation.Columns.Select(c => table.Columns.First(t => t.Name.Name == c.ColumnName))]
        );
    }

    private async ValueTask<RowChange> ReadAsync(
        RelationMessage relation,
        ChangeKind kind,
        ReplicationTuple? old,
        ReplicationTuple? row
    )
    {
        var oldValues = old is null ? null : await ReadAsync(old);
        var values = row is null ? [] : await ReadAsync(row);
        return new RowChange
        {
            Table = _tables[relation.RelationId],
            Kind = kind,
            Values = values,
            OldValues = oldValues,
            Size = values.Sum(v => v?.Length ?? 0),
        };
    }

    // Not cancellable in the middle of a tuple: Npgsql could not read on from there.
    private static async ValueTask<string?[]> ReadAsync(ReplicationTuple tuple)
    {
        var values = new string?[tuple.NumColumns];
        var column = 0;
        await foreach (var value in tuple)
        {
            values[column++] =
                value.IsUnchangedToastedValue ? RowChange.Unchanged
                : value.IsDBNull ? null
                : await value.Get<string>();
        }

        return values;
    }

    private static async ValueTask<Guid?> ReadMarkerAsync(
        LogicalDecodingMessage message,
        CancellationToken cancellationToken
    )
    {
        using var reader = new StreamReader(message.Data, Encoding.UTF8);
        return Guid.TryParse(await reader.ReadToEndAsync(cancellationToken), out var id) ? id : null;
    }
}
