using Npgsql;
using TenantDocs.Isolation;

namespace TenantDocs.Moves;

/// <summary>
/// A transactional logical message: it arrives in the stream at its transaction's place in commit order, so waiting for
/// it is waiting for all that was committed before. No polling of positions.
/// </summary>
internal static class Marker
{
    private const string Sql = "SELECT pg_logical_emit_message(true, '" + ChangeStream.MarkerPrefix + "', $1::text)";

    // Nothing waits for it at the server: who does not answer this is not there.
    private const int EmitSeconds = 10;

    /// <summary>The statement, to be part of the transaction that the marker marks.</summary>
    public static NpgsqlBatchCommand Command(Guid marker) =>
        new(Sql) { Parameters = { SqlValue.Of(marker.ToString()) } };

    /// <summary>Writes a marker in a transaction of its own.</summary>
    public static async Task EmitAsync(NpgsqlConnection connection, Guid marker, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection) { Timeout = EmitSeconds };
        batch.BatchCommands.Add(Command(marker));
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }
}
