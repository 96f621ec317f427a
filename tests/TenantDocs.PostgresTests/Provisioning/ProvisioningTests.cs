using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Operations;
using TenantDocs.PostgresTests.Support;
using TenantDocs.Provisioning;

namespace TenantDocs.PostgresTests.Provisioning;

public sealed class ProvisioningTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private readonly Crashes _crashes = new();
    private Platform _platform = null!;

    public async ValueTask InitializeAsync()
    {
        var server = await postgres.ServerConnectionString(0);
        _platform = await Platform.StartAsync(
            server,
            [server],
            new Dictionary<string, string?>
            {
                ["Operations:LeaseTime"] = "00:00:01",
                ["Operations:PollInterval"] = "00:00:00.050",
                ["Operations:RetryDelay"] = "00:00:00.005",
                ["Operations:MaxAttempts"] = "2",
            },
            services => services.AddSingleton<FailPoints>(_crashes)
        );
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
        Assert.Equal(1, await Homes.WriteAsync(_platform, tenant));
    }

    public static TheoryData<IsolationModel, string> CrashPoints
    {
        get
        {
            var data = new TheoryData<IsolationModel, string>();
            foreach (
                var (model, step) in new[]
                {
                    (IsolationModel.Shared, "CreateRows"),
                    (IsolationModel.Schema, "CreateSchema"),
                    (IsolationModel.Database, "CreateDatabase"),
                    (IsolationModel.Database, "OpenDatabase"),
                }
            )
            {
                foreach (var place in new[] { FailPlace.BeforeDo, FailPlace.AfterEffect, FailPlace.AfterWrite })
                {
                    data.Add(model, $"provision/{step}/{place}");
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(CrashPoints))]
    public async Task A_provisioning_that_crashed_is_resumed_to_an_active_tenant(IsolationModel model, string point)
    {
        var crashed = _crashes.At(point);

        var tenant = await _platform.NewTenantAsync(model);

        await crashed.WaitAsync(TimeSpan.FromMinutes(1), Never);
        Assert.Equal(1, await Homes.WriteAsync(_platform, tenant));
        Assert.Equal([Homes.NameOf(tenant)], await Homes.AllAsync(_platform));
        Assert.Equal(0, await UnsettledAsync());
    }

    [Theory]
    [InlineData(IsolationModel.Schema)]
    [InlineData(IsolationModel.Database)]
    public async Task A_provisioning_that_cannot_succeed_leaves_nothing_and_can_be_tried_again(IsolationModel model)
    {
        var restore = await BreakAsync(model);
        var failed = await StartAsync("broken-one", model);

        Assert.Equal(OperationStatus.Failed, failed.Status);
        Assert.Equal("operation-failed", failed.Problem!.Value.GetProperty("code").GetString());
        var tenant = await FindAsync("broken-one");
        Assert.Equal(TenantStatus.Failed, tenant.Status);
        Assert.Empty(await Homes.AllAsync(_platform));
        Assert.Equal(0, await UnsettledAsync());

        await restore();
        var again = await StartAsync("broken-one", model);

        Assert.True(again.Status is OperationStatus.Succeeded, again.Problem?.ToString());
        var active = await FindAsync("broken-one");
        Assert.Equal((tenant.Id, TenantStatus.Active), (active.Id, active.Status));
        Assert.Equal(1, await Homes.WriteAsync(_platform, active));
        Assert.Equal([Homes.NameOf(active)], await Homes.AllAsync(_platform));
    }

    [Fact]
    public async Task Of_many_that_ask_for_one_slug_at_once_exactly_one_gets_it()
    {
        var provisioning = _platform.Get<TenantProvisioning>();
        Assert.True(TenantSlug.TryParse("wanted", out var slug));

        var answers = await Task.WhenAll(
            Enumerable.Range(0, 12).Select(_ => provisioning.StartAsync(new NewTenant(slug, "Wanted"), "tests", Never))
        );

        Assert.Single(answers, a => a.Error is null);
        Assert.All(answers.Where(a => a.Error is not null), a => Assert.Equal("duplicate", a.Error!.Code));
    }

    [Fact]
    public async Task Nobody_but_the_platforms_roles_may_connect_to_a_tenants_database()
    {
        var tenant = await _platform.NewTenantAsync(IsolationModel.Database);
        await using var connection = await _platform.OpenAsync(tenant, SessionRole.Admin);
        await using var command = new NpgsqlCommand(
            """
            SELECT string_agg(CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END || ':' || a.privilege_type,
                              ' ' ORDER BY a.grantee::regrole::text, a.privilege_type)
              FROM pg_database AS d, aclexplode(d.datacl) AS a WHERE d.datname = current_database() AND a.grantee <> d.datdba
            """,
            connection
        );

        Assert.Equal("tenantdocs_app:CONNECT tenantdocs_mover:CONNECT", await command.ExecuteScalarAsync(Never));
    }

    private async Task<Operation> StartAsync(string slug, IsolationModel model)
    {
        Assert.True(TenantSlug.TryParse(slug, out var parsed));
        var started = await _platform
            .Get<TenantProvisioning>()
            .StartAsync(new NewTenant(parsed, slug) { Isolation = model }, "tests", Never);
        Assert.Null(started.Error);
        return await _platform.Get<OperationRequests>().WaitAsync(started.Value, TimeSpan.FromMinutes(1), Never);
    }

    private async Task<Tenant> FindAsync(string slug) =>
        (await _platform.Get<TenantCatalog>().FindBySlugAsync(slug, Never))!;

    /// <summary>Takes away what provisioning needs; the answer gives it back.</summary>
    private async Task<Func<Task>> BreakAsync(IsolationModel model)
    {
        var names = _platform.Get<DatabaseNames>();
        var (database, broken, mended) =
            model is IsolationModel.Schema
                ? (
                    names.SchemaDatabase,
                    "ALTER SCHEMA template RENAME TO hidden",
                    "ALTER SCHEMA hidden RENAME TO template"
                )
                : (
                    new PgIdentifier("postgres"),
                    $"ALTER DATABASE {names.TemplateDatabase.Quoted} RENAME TO {names.TemplateDatabase}_hidden",
                    $"ALTER DATABASE {names.TemplateDatabase}_hidden RENAME TO {names.TemplateDatabase.Quoted}"
                );
        await RunAsync(broken);
        return () => RunAsync(mended);

        async Task RunAsync(string sql)
        {
            await using var connection = await _platform.Servers.OpenAsync(
                "local-1",
                database,
                SessionRole.Admin,
                Never
            );
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync(Never);
        }
    }

    private async Task<long> UnsettledAsync()
    {
        await using var command = _platform.Catalog.Source.CreateCommand(
            "SELECT count(*) FROM operation_objects WHERE settled_at IS NULL"
        );
        return (long)(await command.ExecuteScalarAsync(Never))!;
    }
}
