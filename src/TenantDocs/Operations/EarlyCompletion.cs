using Npgsql;

namespace TenantDocs.Operations;

/// <summary>
/// A step's completion that is written before the step has ended, and only committed at its end: for a step whose last
/// milliseconds count. Until the commit nobody sees it; when it does not come, nothing was written.
/// </summary>
/// <remarks>The operation's row stays locked in between: keep that short. The server ends it after a while by itself.</remarks>
internal sealed class EarlyCompletion(
    OperationLease lease,
    NpgsqlConnection connection,
    SemaphoreSlim writing,
    Func<Operation> next
) : IAsyncDisposable
{
    // A catalog that does not answer a commit is asked anew what became of it.
    private const int CommitSeconds = 2;
    private Operation? _written;

    /// <summary>True between <see cref="BeginAsync"/> and the commit.</summary>
    public bool IsBegun => _written is not null;

    /// <summary>Writes and takes back: what runs the first time in a session is slow.</summary>
    public async Task RehearseAsync(CatalogWrites writes, CancellationToken cancellationToken)
    {
        await BeginAsync(writes, TimeSpan.FromSeconds(5), cancellationToken);
        await RollbackAsync();
    }

    /// <summary>Writes the completion, and <paramref name="writes"/> with it, without committing.</summary>
    /// <exception cref="LeaseLostException">Another worker holds the operation.</exception>
    /// <exception cref="OperationCancelledException">A cancellation was accepted.</exception>
    public async Task BeginAsync(CatalogWrites writes, TimeSpan atMost, CancellationToken cancellationToken)
    {
        await writing.WaitAsync(cancellationToken);
        try
        {
            _written = await lease.BeginAsync(connection, next(), writes, atMost, cancellationToken);
        }
        catch
        {
            await EndAsync("ROLLBACK", CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            writing.Release();
            throw;
        }
    }

    /// <summary>Commits; returns what the row is now.</summary>
    public async Task<Operation> CommitAsync(CancellationToken cancellationToken)
    {
        var written = _written ?? throw new InvalidOperationException("Nothing was written.");
        try
        {
            await EndAsync("COMMIT", cancellationToken);
            return written;
        }
        finally
        {
            _written = null;
            writing.Release();
        }
    }

    /// <summary>Takes back what was written; does nothing when nothing was.</summary>
    public async Task RollbackAsync()
    {
        if (_written is not null)
        {
            await EndAsync("ROLLBACK", CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _written = null;
            writing.Release();
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await RollbackAsync();
        await connection.DisposeAsync();
    }

    private async Task EndAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = CommitSeconds };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
