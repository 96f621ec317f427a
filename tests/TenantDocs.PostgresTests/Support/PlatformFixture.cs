namespace TenantDocs.PostgresTests.Support;

/// <summary>One engine on two servers for all tests of a class.</summary>
public sealed class PlatformFixture(PostgresFixture postgres) : IAsyncLifetime
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
