using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Documents;
using TenantDocs.Isolation;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;
using TenantDocs.Provisioning;

namespace TenantDocs.PostgresTests.Provisioning;

public sealed class LifecycleTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private Platform _platform = null!;

    public async ValueTask InitializeAsync()
    {
        var server = await postgres.ServerConnectionString(0);
        _platform = await Platform.StartAsync(server, [server]);
    }

    public ValueTask DisposeAsync() => _platform.DisposeAsync();

    private TenantLifecycle Lifecycle => _platform.Get<TenantLifecycle>();

    [Theory]
    [InlineData(IsolationModel.Shared)]
    [InlineData(IsolationModel.Schema)]
    [InlineData(IsolationModel.Database)]
    public async Task After_read_only_returned_no_write_of_eight_writers_arrives_any_more(IsolationModel model)
    {
        var tenant = await _platform.NewTenantAsync(model);
        using var stop = new CancellationTokenSource();
        var writers = Enumerable.Range(0, 8).Select(_ => Task.Run(() => WriteUntilRefusedAsync(tenant, stop.Token)));
        var running = writers.ToList();
        while (await SeqAsync(tenant) < 50)
        {
            Assert.DoesNotContain(running, w => w.IsCompleted);
        }

        Assert.Null((await Lifecycle.SetAccessModeAsync(tenant.Slug, AccessMode.ReadOnly, Never)).Error);
        var atReturn = await SeqAsync(tenant);
        var acknowledged = (await Task.WhenAll(running)).Sum();

        Assert.Equal(atReturn, await SeqAsync(tenant));
        Assert.Equal(atReturn, acknowledged);
        // The control: reads still work, and writes do again when they may.
        Assert.Equal(atReturn, await ReadSeqAsync(tenant));
        Assert.Null((await Lifecycle.SetAccessModeAsync(tenant.Slug, AccessMode.ReadWrite, Never)).Error);
        Assert.Equal(1, await Homes.WriteAsync(_platform, tenant));
    }

    [Fact]
    public async Task A_suspended_tenant_is_read_only_for_its_database_and_a_deleted_one_is_shut()
    {
        var tenant = await _platform.NewTenantAsync(IsolationModel.Shared);

        Assert.Equal("unpaid", (await Lifecycle.SuspendAsync(tenant.Slug, "unpaid", Never)).Value.SuspendReason);
        Assert.Equal("readOnly", await FenceAsync(tenant));
        Assert.Equal(TenantStatus.PendingDeletion, (await Lifecycle.DeleteAsync(tenant.Slug, Never)).Value.Status);
        Assert.Equal("offline", await FenceAsync(tenant));
        await Assert.ThrowsAsync<TenantUnavailableException>(() => ReadSeqAsync(tenant));

        var back = await Lifecycle.UndeleteAsync(tenant.Slug, Never);
        Assert.Equal((TenantStatus.Suspended, null), (back.Value.Status, back.Value.PurgeAt));
        Assert.Equal(TenantStatus.Active, (await Lifecycle.ResumeAsync(tenant.Slug, Never)).Value.Status);
        Assert.Equal("readWrite", await FenceAsync(tenant));
        Assert.Equal(1, await Homes.WriteAsync(_platform, tenant));
    }

    [Theory]
    [InlineData(IsolationModel.Shared)]
    [InlineData(IsolationModel.Schema)]
    [InlineData(IsolationModel.Database)]
    public async Task A_purge_removes_everything_of_the_tenant_certifies_it_and_touches_nobody_else(
        IsolationModel model
    )
    {
        var tenant = await _platform.NewTenantAsync(model, "leaving");
        var neighbour = await _platform.NewTenantAsync(model, "staying");
        var key = (await Keys.CreateAsync(tenant.Id, "k", "owner", null, null, "tests", Never)).Kept;
        await FillAsync(tenant, 7);
        await FillAsync(neighbour, 3);
        var before = await CountsAsync(tenant);
        var beside = await CountsAsync(neighbour);
        Assert.Equal(7, before["documents"]);
        Assert.Equal("invalid-state", (await Lifecycle.PurgeAsync("leaving", "tests", Never)).Error?.Code);

        await Lifecycle.DeleteAsync("leaving", Never);
        var started = await Lifecycle.PurgeAsync("leaving", "ada", Never);
        var ended = await _platform.Get<OperationRequests>().WaitAsync(started.Value, TimeSpan.FromMinutes(1), Never);

        Assert.True(ended.Status is OperationStatus.Succeeded, ended.Problem?.ToString());
        var certificate = ended.Result!.Value;
        Assert.True(PurgeCertificate.IsGenuine(certificate));
        var certified = certificate
            .GetProperty("tables")
            .EnumerateArray()
            .ToDictionary(t => t.GetProperty("name").GetString()!, t => t.GetProperty("rows").GetInt64());
        Assert.Equal(before, certified);
        Assert.Equal("ada", certificate.GetProperty("requestedBy").GetString());
        Assert.DoesNotContain(Homes.NameOf(tenant), await Homes.AllAsync(_platform));
        if (model is IsolationModel.Shared)
        {
            Assert.All((await CountsAsync(tenant)).Values, rows => Assert.Equal(0, rows));
        }

        Assert.Null(await _platform.Get<TenantCatalog>().FindBySlugAsync("leaving", Never));
        Assert.NotNull((await Keys.ListAsync(tenant.Id, Never)).Single(k => k.Id == key.Id).RevokedAt);
        await Assert.ThrowsAsync<TenantUnavailableException>(() => Homes.WriteAsync(_platform, tenant));
        Assert.Equal(beside, await CountsAsync(neighbour));
        Assert.Equal(1, await Homes.WriteAsync(_platform, neighbour));
        Assert.NotEqual(tenant.Id, (await _platform.NewTenantAsync(model, "leaving")).Id);
    }

    [Fact]
    public void A_certificate_that_was_changed_is_not_genuine()
    {
        var home = new Placement(
            IsolationModel.Shared,
            "local-1",
            new Database.PgIdentifier("d"),
            new Database.PgIdentifier("shared"),
            1
        );
        var input = new PurgeInput(
            Guid.NewGuid(),
            "acme",
            "Acme",
            home.Isolation,
            home.Server,
            home.Database.Name,
            home.Schema.Name,
            home.Epoch
        );
        var now = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
        var good = PurgeCertificate.Issue(Guid.NewGuid(), input, [new TableRows("documents", 7)], [], now, now, "ada");
        var changed = System.Text.Json.JsonElement.Parse(
            good.GetRawText().Replace("\"rows\":7", "\"rows\":8", StringComparison.Ordinal)
        );

        Assert.True(PurgeCertificate.IsGenuine(good));
        Assert.NotEqual(good.GetRawText(), changed.GetRawText());
        Assert.False(PurgeCertificate.IsGenuine(changed));
    }

    [Fact]
    public async Task A_tenant_whose_grace_has_passed_is_purged_by_itself_and_another_one_is_not()
    {
        var due = await _platform.NewTenantAsync(IsolationModel.Shared);
        var later = await _platform.NewTenantAsync(IsolationModel.Shared);
        await Lifecycle.DeleteAsync(due.Slug, Never);
        await Lifecycle.DeleteAsync(later.Slug, Never);
        await using (
            var command = _platform.Catalog.Source.CreateCommand("UPDATE tenants SET purge_at = now() WHERE id = $1")
        )
        {
            command.Parameters.Add(SqlValue.Of(due.Id.Value));
            await command.ExecuteNonQueryAsync(Never);
        }

        Assert.Equal(1, await _platform.Get<ProvisioningSchedule>().PurgeDueAsync(Never));
        var operation = (
            await _platform.Get<OperationHistory>().ListAsync(new OperationFilter { Type = "purge" }, Never)
        ).Single();
        var ended = await _platform
            .Get<OperationRequests>()
            .WaitAsync(new StartedOperation(operation, null), TimeSpan.FromMinutes(1), Never);

        Assert.Equal((OperationStatus.Succeeded, due.Id), (ended.Status, ended.Tenant!.Value));
        Assert.NotNull(await _platform.Get<TenantCatalog>().FindBySlugAsync(later.Slug, Never));
    }

    private ApiKeys Keys => _platform.Get<ApiKeys>();

    private async Task<long> WriteUntilRefusedAsync(Tenant tenant, CancellationToken cancellationToken)
    {
        var written = 0L;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                written += await Homes.WriteAsync(_platform, tenant);
            }
            catch (TenantUnavailableException)
            {
                break;
            }
        }

        return written;
    }

    private async Task FillAsync(Tenant tenant, int documents)
    {
        for (var i = 0; i < documents; i++)
        {
            var made = await _platform
                .Get<IDocumentRepository>()
                .CreateAsync(
                    tenant,
                    null,
                    new DocumentContent
                    {
                        Title = $"Title {i}",
                        Body = "Body",
                        Tags = ["a", "b"],
                    },
                    new DocumentWrite { Actor = "tests" },
                    Never
                );
            Assert.Null(made.Error);
        }
    }

    private async Task<Dictionary<string, long>> CountsAsync(Tenant tenant)
    {
        await using var connection = await _platform.OpenAsync(tenant, SessionRole.Mover);
        var counts = await TenantTables.CountAsync(connection, tenant.Placement.Schema, tenant.Id.Value, Never);
        return counts.ToDictionary(c => c.Name, c => c.Rows);
    }

    private async Task<long> SeqAsync(Tenant tenant)
    {
        await using var connection = await _platform.OpenAsync(tenant, SessionRole.Mover);
        await using var command = new NpgsqlCommand(
            $"SELECT seq FROM {tenant.Placement.Schema.Quoted}.tenant_state WHERE tenant_id = $1",
            connection
        );
        command.Parameters.Add(SqlValue.Of(tenant.Id.Value));
        return (long)(await command.ExecuteScalarAsync(Never))!;
    }

    private Task<long> ReadSeqAsync(Tenant tenant) =>
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

    private async Task<string> FenceAsync(Tenant tenant)
    {
        await using var connection = await _platform.OpenAsync(tenant, SessionRole.Mover);
        await using var command = new NpgsqlCommand(
            "SELECT access FROM tenantdocs.tenant_fence WHERE tenant_id = $1",
            connection
        );
        command.Parameters.Add(SqlValue.Of(tenant.Id.Value));
        return (string)(await command.ExecuteScalarAsync(Never))!;
    }
}
