using Microsoft.Extensions.Options;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>A node of the test's own over an existing platform: other pools, other limits, the same servers and tenants.</summary>
internal sealed class OwnEngine : IAsyncDisposable
{
    private readonly Isolations _isolations;

    public OwnEngine(
        Platform platform,
        Action<IsolationOptions>? configure = null,
        ITenantRoutes? routes = null,
        TimeProvider? time = null
    )
    {
        var options = new IsolationOptions();
        configure?.Invoke(options);
        _isolations = platform.Get<Isolations>();
        Registry = new DataSourceRegistry(platform.Servers, Options.Create(options));
        Sessions = new TenantSessions(
            Registry,
            _isolations,
            routes ?? platform.Get<TenantRoutes>(),
            platform.Get<TenantDoors>(),
            platform.Get<WritePaces>(),
            new WriteTurns(Options.Create(options), time ?? TimeProvider.System),
            Options.Create(options),
            time ?? TimeProvider.System
        );
    }

    public DataSourceRegistry Registry { get; }

    public TenantSessions Sessions { get; }

    public ValueTask<ConnectionLease> RentAsync(Tenant tenant, CancellationToken? cancellation = null) =>
        Registry.RentAsync(
            tenant.Placement.Server,
            tenant.Placement.Database,
            _isolations[tenant.Placement.Isolation],
            cancellation ?? CancellationToken.None
        );

    public ValueTask DisposeAsync() => Registry.DisposeAsync();
}
