using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Provisioning;

public sealed class ProvisioningTests(PostgresFixture postgres) : IAsyncLifetime
{
    private Platform _platform = null!;

    public async ValueTask InitializeAsync()
    {
        var server = await postgres.ServerConnectionString(0);
        _platform = await Platform.StartAsync(server, [server]);
    }

    public ValueTask DisposeAsync() => _platform.DisposeAsync();

    [Theory]
    [InlineData(IsolationModel.Shared)]
    [InlineData(IsolationModel.Schema)]
    [InlineData(IsolationModel.Database)]
    public async Task A_new_tenant_is_active_and_takes_writes_in_each_model(IsolationModel model)
    {
        var tenant = await _platform.NewTenantAsync(model);

        Assert.Equal(TenantStatus.Active, tenant.Status);
        Assert.Equal(model, tenant.Placement.Isolation);
        Assert.True(tenant.SchemaVersion > 0);
        Assert.Null(tenant.ActiveOperation);
        var changed = await _platform.Sessions.WriteAsync(
            tenant,
            async (session, cancellation) =>
            {
                await using var batch = session
                    .CreateBatch()
                    .Add("UPDATE tenant_state SET seq = seq + 1 WHERE tenant_id = $1", SqlValue.Of(tenant.Id.Value));
                return await batch.ExecuteAsync(cancellation);
            },
            CancellationToken.None
        );
        Assert.Equal(1, changed);
    }
}
