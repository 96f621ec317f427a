using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Isolation;
using TenantDocs.PostgresTests.Support;
using TenantDocs.Provisioning;

namespace TenantDocs.PostgresTests.Provisioning;

/// <summary>A tenant's condition changes in the catalog also when its database is out of reach, or was never made.</summary>
public sealed class UnreachableTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private Platform _platform = null!;

    public async ValueTask InitializeAsync()
    {
        var server = await postgres.ServerConnectionString(0);
        _platform = await Platform.StartAsync(
            server,
            [server],
            new Dictionary<string, string?>
            {
                ["Provisioning:FenceTimeout"] = "00:00:05",
                // The test says when it is tried again.
                ["Operations:SweepInterval"] = "01:00:00",
            }
        );
    }

    public ValueTask DisposeAsync() => _platform.DisposeAsync();

    private TenantLifecycle Lifecycle => _platform.Get<TenantLifecycle>();

    private Task<IReadOnlyList<TenantId>> BehindAsync() => Fence.BehindAsync(TimeSpan.Zero, Never);

    private TenantFence Fence => _platform.Get<TenantFence>();

    [Theory]
    [InlineData(IsolationModel.Shared)]
    [InlineData(IsolationModel.Schema)]
    [InlineData(IsolationModel.Database)]
    public async Task A_change_of_condition_is_answered_while_the_database_is_down_and_its_fence_follows_later(
        IsolationModel model
    )
    {
        var tenant = await _platform.NewTenantAsync(model);
        // The control: within reach, the fence is changed when the call returns.
        await Lifecycle.SuspendAsync(tenant.Slug, "first", Never);
        Assert.Equal("readOnly", await AccessAsync(tenant));
        await Lifecycle.ResumeAsync(tenant.Slug, Never);
        Assert.Equal("readWrite", await AccessAsync(tenant));
        Assert.Empty(await BehindAsync());

        var reachable = _platform.Servers["local-1"];
        using (var silent = new SilentServer())
        {
            _platform.Servers.Register(
                reachable with
                {
                    ConnectionString = silent.Instead(reachable.ConnectionString),
                }
            );
            var start = Stopwatch.GetTimestamp();

            var suspended = await Lifecycle.SuspendAsync(tenant.Slug, "unpaid", Never);

            // It waited for a server that does not answer no longer than it may.
            Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(25));
            Assert.Equal(TenantStatus.Suspended, suspended.Value.Status);
            Assert.Equal(TenantStatus.PendingDeletion, (await Lifecycle.DeleteAsync(tenant.Slug, Never)).Value.Status);
            Assert.Equal([tenant.Id], await BehindAsync());
        }

        // The catalog refuses already; the fence is still as it was, until its server answers again.
        _platform.Servers.Register(reachable);
        Assert.Equal("readWrite", await AccessAsync(tenant));
        await Fence.CatchUpAsync(TimeSpan.Zero, Never);
        Assert.Empty(await BehindAsync());
        Assert.Equal("offline", await AccessAsync(tenant));
        await Lifecycle.UndeleteAsync(tenant.Slug, Never);
        await Lifecycle.ResumeAsync(tenant.Slug, Never);
        Assert.Equal(1, await Homes.WriteAsync(_platform, tenant));
    }

    [Fact]
    public async Task A_change_whose_host_died_before_the_fence_was_placed_is_finished_by_another()
    {
        var tenant = await _platform.NewTenantAsync(IsolationModel.Database);
        var other = await _platform.NewTenantAsync(IsolationModel.Shared);
        // As a host leaves it that is killed between the two: the catalog's change is there, with its mark.
        await using (
            var command = _platform.Catalog.Source.CreateCommand(
                "WITH changed AS (UPDATE tenants SET status = 'suspended', version = version + 1 WHERE id = $1 RETURNING id, version) "
                    + TenantFence.MarkSql
            )
        )
        {
            command.Parameters.Add(SqlValue.Of(tenant.Id.Value));
            Assert.NotNull(await command.ExecuteScalarAsync(Never));
        }

        Assert.Equal("readWrite", await AccessAsync(tenant));
        // One that somebody may be about is left alone.
        await Fence.CatchUpAsync(TimeSpan.FromHours(1), Never);
        Assert.Equal("readWrite", await AccessAsync(tenant));

        await Fence.CatchUpAsync(TimeSpan.Zero, Never);

        Assert.Equal("readOnly", await AccessAsync(tenant));
        Assert.Empty(await BehindAsync());
        Assert.Equal("readWrite", await AccessAsync(other));
    }

    [Theory]
    [InlineData(IsolationModel.Shared)]
    [InlineData(IsolationModel.Schema)]
    [InlineData(IsolationModel.Database)]
    public async Task Deleting_a_tenant_that_never_had_a_home_touches_no_database(IsolationModel model)
    {
        var failed = await FailedAsync(model);

        Assert.Equal(TenantStatus.PendingDeletion, (await Lifecycle.DeleteAsync(failed.Slug, Never)).Value.Status);

        Assert.Empty(await BehindAsync());
        if (model is not IsolationModel.Database)
        {
            Assert.Null(await AccessAsync(failed));
        }

        Assert.Equal(TenantStatus.Failed, (await Lifecycle.UndeleteAsync(failed.Slug, Never)).Value.Status);
        Assert.Empty(await BehindAsync());
        // The control: one that has a home gets its fence changed.
        var made = await _platform.NewTenantAsync(model);
        await Lifecycle.DeleteAsync(made.Slug, Never);
        Assert.Equal("offline", await AccessAsync(made));
    }

    [Fact]
    public async Task A_tenant_that_is_suspended_and_offline_may_still_be_read_by_what_suspension_allows()
    {
        var tenant = await _platform.NewTenantAsync(IsolationModel.Shared);
        await Lifecycle.SetAccessModeAsync(tenant.Slug, AccessMode.Offline, Never);
        Assert.Equal("offline", await AccessAsync(tenant));
        await Assert.ThrowsAsync<TenantUnavailableException>(() => ReadAsync(tenant));

        await Lifecycle.SuspendAsync(tenant.Slug, "unpaid", Never);

        Assert.Equal(0, await ReadAsync(tenant));
        await Assert.ThrowsAsync<TenantUnavailableException>(() => Homes.WriteAsync(_platform, tenant));
        await Lifecycle.ResumeAsync(tenant.Slug, Never);
        Assert.Equal("offline", await AccessAsync(tenant));
    }

    private Task<long> ReadAsync(Tenant tenant) =>
        _platform.Sessions.ReadAsync(
            tenant,
            async (session, cancellation) =>
            {
                await using var batch = session
                    .CreateBatch()
                    .Add("SELECT seq FROM tenant_state WHERE tenant_id = $1", SqlValue.Of(tenant.Id.Value));
                await using var reader = await batch.ReadAsync(cancellation);
                await reader.ReadAsync(cancellation);
                return reader.GetInt64(0);
            },
            Never
        );

    private async Task<string?> AccessAsync(Tenant tenant)
    {
        await using var connection = await _platform.OpenAsync(tenant, SessionRole.Mover);
        return await connection.AskAsync<string>(
            "SELECT access FROM tenantdocs.tenant_fence WHERE tenant_id = $1",
            SqlValue.Of(tenant.Id.Value)
        );
    }

    private async Task<Tenant> FailedAsync(IsolationModel model)
    {
        var id = TenantId.Create(DateTimeOffset.UtcNow);
        var home = _platform.Get<Isolations>()[model].PlaceFor(id, "local-1", 1);
        await using var command = _platform.Catalog.Source.CreateCommand(
            """
            WITH t AS (
                INSERT INTO tenants (id, slug, name, tier, status, created_at, updated_at)
                VALUES ($1, 'failed', 'Failed', 'starter', 'failed', now(), now()) RETURNING id)
            INSERT INTO placements SELECT id, $2, 'local-1', $3, $4, 1 FROM t
            """
        );
        command.Parameters.Add(SqlValue.Of(id.Value));
        command.Parameters.Add(SqlValue.Of(model.ToText()));
        command.Parameters.Add(SqlValue.Of(home.Database.Name));
        command.Parameters.Add(SqlValue.Of(home.Schema.Name));
        await command.ExecuteNonQueryAsync();
        return (await _platform.Get<TenantCatalog>().FindAsync(id, Never))!;
    }

    /// <summary>Takes connections and says nothing: worse than one that refuses them.</summary>
    private sealed class SilentServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

        public SilentServer() => _listener.Start();

        public string Instead(string connectionString) =>
            new NpgsqlConnectionStringBuilder(connectionString)
            {
                Host = "127.0.0.1",
                Port = ((IPEndPoint)_listener.LocalEndpoint).Port,
                Timeout = 30,
            }.ConnectionString;

        public void Dispose() => _listener.Dispose();
    }
}
