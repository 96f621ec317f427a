using Npgsql;

namespace TenantDocs.Isolation;

/// <summary>An open connection of the request role, counted in the budget until disposed.</summary>
internal sealed class ConnectionLease(DataSourceRegistry registry, DatabasePool pool, NpgsqlConnection connection)
    : IAsyncDisposable
{
    private bool _returned;

    public NpgsqlConnection Connection => connection;

    public async ValueTask DisposeAsync()
    {
        if (!_returned)
        {
            _returned = true;
            await connection.DisposeAsync();
            registry.Release(pool);
        }
    }
}

/// <summary>
/// The connection budget, or the tenant's part of it for writes, was spent for longer than a request may wait. Nothing was
/// sent; try again.
/// </summary>
/// <param name="busy">What was.</param>
public sealed class ConnectionBudgetException(string busy)
    : Exception($"{busy} stayed busy; the request was not started. Try again shortly.");

/// <summary>A server was not found safe for tenants yet, so no request is sent there.</summary>
/// <param name="server">Its name.</param>
public sealed class ServerWithheldException(string server)
    : Exception(
        $"The server '{server}' is not ready for tenants. Nothing was changed; it is examined again by itself."
    );
