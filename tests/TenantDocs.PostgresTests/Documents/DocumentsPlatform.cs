using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Documents;

/// <summary>One engine for the tests of a class.</summary>
public sealed class DocumentsPlatform(PostgresFixture postgres) : IAsyncLifetime
{
    private Platform? _platform;

    public Platform Platform => _platform ?? throw new InvalidOperationException("Not started.");

    public async ValueTask InitializeAsync() =>
        _platform = await Platform.StartAsync(
            await postgres.ServerConnectionString(0),
            [await postgres.ServerConnectionString(0), await postgres.ServerConnectionString(1)]
        );

    public ValueTask DisposeAsync() => _platform?.DisposeAsync() ?? ValueTask.CompletedTask;
}
