using Npgsql;

namespace TenantDocs.Moves;

/// <summary>
/// The disk of a server of a move is full. Not tried again: who makes room says so by asking anew, and the source serves on.
/// </summary>
/// <param name="server">Whose.</param>
/// <param name="inner">What the server answered.</param>
internal sealed class DiskFullException(string server, Exception inner)
    : Exception($"The disk of the server '{server}' is full.", inner)
{
    /// <summary>Runs work on a server, and names the server when its disk is full.</summary>
    public static async Task OnAsync(string server, Task work)
    {
        try
        {
            await work;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.DiskFull)
        {
            throw new DiskFullException(server, e);
        }
    }
}
