namespace TenantDocs.Moves;

/// <summary>
/// The two sides of a move are not what they must be (a row is missing, a foreign row came, the tables changed). Never
/// retried: the move ends, the source serves on.
/// </summary>
internal sealed class MoveFaultException(string message) : Exception(message);

/// <summary>SQLSTATEs raised by the functions of <c>Database/Sql/host/0003_moves.sql</c>.</summary>
internal static class MoveSqlState
{
    /// <summary>Another mover holds the stream, or the place accepts writes of its own.</summary>
    public const string LinkLost = "TD021";
}
