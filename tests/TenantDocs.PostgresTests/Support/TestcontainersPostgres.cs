#if USE_TESTCONTAINERS
using Testcontainers.PostgreSql;

namespace TenantDocs.PostgresTests.Support;

/// <summary>The two servers as containers, for machines with Docker: <c>dotnet test -p:UseTestcontainers=true</c>.</summary>
internal sealed class TestcontainersPostgres : IAsyncDisposable
{
    // The builder's own commands turn durability off; further ones are added to them.
    private readonly PostgreSqlContainer[] _servers =
    [
        .. Enumerable
            .Range(0, 2)
            .Select(_ =>
                new PostgreSqlBuilder(Environment.GetEnvironmentVariable("TENANTDOCS_TEST_IMAGE") ?? "postgres:18")
                    .WithCommand("-c", "wal_level=logical")
                    .WithCommand("-c", "max_connections=300")
                    .WithCommand("-c", "max_locks_per_transaction=256")
                    .WithCommand("-c", "max_wal_senders=32")
                    .WithCommand("-c", "max_replication_slots=32")
                    .WithCommand("-c", "max_worker_processes=32")
                    .Build()
            ),
    ];

    public async Task<string[]> StartAsync()
    {
        await Task.WhenAll(_servers.Select(s => s.StartAsync()));
        return [.. _servers.Select(s => s.GetConnectionString())];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }
    }
}
#endif
