using Npgsql.Replication;
using Npgsql.Replication.PgOutput;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Isolation;
using TenantDocs.PostgresTests.Provisioning;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Operations;

public sealed class CleanupTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private readonly string _name = $"left_{Guid.NewGuid():n}"[..20];
    private readonly string _other = $"used_{Guid.NewGuid():n}"[..20];
    private Platform _platform = null!;

    public async ValueTask InitializeAsync()
    {
        var server = await postgres.ServerConnectionString(0);
        _platform = await Platform.StartAsync(
            server,
            [server],
            new Dictionary<string, string?>
            {
                // The test says when it is swept.
                ["Operations:SweepInterval"] = "01:00:00",
            }
        );
    }

    public ValueTask DisposeAsync() => _platform.DisposeAsync();

    [Fact]
    public async Task What_a_failed_operation_left_is_removed_and_what_is_used_stays()
    {
        var tenant = await _platform.NewTenantAsync(IsolationModel.Shared);
        await using var admin = await _platform.OpenAsync(tenant, SessionRole.Admin);
        foreach (var name in new[] { _name, _other })
        {
            await admin.ExecuteAsync($"CREATE PUBLICATION {name} FOR TABLE shared.documents");
            await admin.ExecuteAsync($"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')");
        }

        var home = tenant.Placement;
        var left = await FailAsync(
            tenant,
            new OperationObject(OperationObjectKind.Publication, home.Server, home.Database, _name),
            new OperationObject(OperationObjectKind.Slot, home.Server, home.Database, _name),
            // A half-made home in another model, whose database went without its publication being dropped first.
            new OperationObject(
                OperationObjectKind.Publication,
                home.Server,
                new PgIdentifier($"{_platform.Prefix}_gone"),
                _name
            ),
            new OperationObject(
                OperationObjectKind.Schema,
                home.Server,
                _platform.Get<DatabaseNames>().SchemaDatabase,
                DatabaseNames.SchemaOf(tenant.Id).Name
            ),
            // The tenant lives there: a move that failed half-way back had planned it too.
            OperationObject.HomeOf(tenant.Id, home)
        );
        // Somebody still reads the slot, as a mover does that was cut off.
        await using var reader = await _platform.Servers.OpenReplicationAsync(
            home.Server,
            home.Database,
            "a reader that forgot to stop",
            Never
        );
        var reading = ReadAsync(reader);
        await UntilAsync(() =>
            admin.AskAsync<bool>($"SELECT active FROM pg_replication_slots WHERE slot_name = '{_name}'")
        );

        Assert.Equal(1, await _platform.Get<OperationSweeper>().SweepAsync(Never));
        var cleanup = (
            await _platform.Get<OperationHistory>().ListAsync(new OperationFilter { Type = "cleanup" }, Never)
        ).Single();
        var ended = await _platform
            .Get<OperationRequests>()
            .WaitAsync(new StartedOperation(cleanup, null), TimeSpan.FromMinutes(1), Never);

        Assert.True(ended.Status is OperationStatus.Succeeded, ended.Problem?.ToString());
        await reading;
        const string mine = "WHERE database = current_database() ORDER BY 1";
        Assert.Equal([_other], await admin.LinesAsync($"SELECT slot_name::text FROM pg_replication_slots {mine}"));
        Assert.Equal([_other], await admin.LinesAsync("SELECT pubname::text FROM pg_publication ORDER BY 1"));
        Assert.Equal(
            ["Publication removed", "Publication removed", "Rows kept", "Schema removed", "Slot removed"],
            await OutcomesAsync(left)
        );
        // The control: the tenant is served from its home, and the next sweep finds nothing.
        Assert.Equal(1, await Homes.WriteAsync(_platform, tenant));
        Assert.Equal(0, await _platform.Get<OperationSweeper>().SweepAsync(Never));
        await admin.ExecuteAsync($"SELECT pg_drop_replication_slot('{_other}')");
    }

    [Fact]
    public async Task What_an_operation_in_progress_has_planned_is_left_alone()
    {
        var tenant = await _platform.NewTenantAsync(IsolationModel.Shared);
        var home = tenant.Placement;
        await using var admin = await _platform.OpenAsync(tenant, SessionRole.Admin);
        await admin.ExecuteAsync($"CREATE PUBLICATION {_name} FOR TABLE shared.documents");
        var operation = await FailAsync(
            tenant,
            new OperationObject(OperationObjectKind.Publication, home.Server, home.Database, _name)
        );
        await SetStatusAsync(operation, "waiting");

        Assert.Equal(0, await _platform.Get<OperationSweeper>().SweepAsync(Never));

        Assert.Equal([_name], await admin.LinesAsync("SELECT pubname::text FROM pg_publication"));
        // The control: the same once it has failed.
        await SetStatusAsync(operation, "failed");
        Assert.Equal(1, await _platform.Get<OperationSweeper>().SweepAsync(Never));
        await UntilAsync(async () => (await admin.LinesAsync("SELECT pubname::text FROM pg_publication")).Count == 0);
    }

    private async Task ReadAsync(LogicalReplicationConnection reader)
    {
        var options = new PgOutputReplicationOptions(_name, PgOutputProtocolVersion.V1);
        try
        {
            await foreach (var _ in reader.StartReplication(new PgOutputReplicationSlot(_name), options, Never))
            {
                // until it is ended
            }
        }
        catch (Exception e) when (e is Npgsql.NpgsqlException or IOException)
        {
            // It was ended.
        }
    }

    private async Task<Guid> FailAsync(Tenant tenant, params OperationObject[] planned)
    {
        var id = Guid.CreateVersion7();
        await using var command = _platform.Catalog.Source.CreateCommand(
            """
            INSERT INTO operations (id, type, tenant_id, tenant_slug, status, requested_by, exclusive, created_at, finished_at, run_after)
            VALUES ($1, 'move', $2, $3, 'failed', 'tests', false, now(), now(), 'infinity')
            """
        );
        command.Parameters.Add(SqlValue.Of(id));
        command.Parameters.Add(SqlValue.Of(tenant.Id.Value));
        command.Parameters.Add(SqlValue.Of(tenant.Slug));
        await command.ExecuteNonQueryAsync();
        foreach (var one in planned)
        {
            await using var plan = _platform.Catalog.Source.CreateCommand(
                """
                INSERT INTO operation_objects (operation_id, kind, server, database_name, name, planned_at)
                VALUES ($1, $2, $3, $4, $5, now())
                """
            );
            plan.Parameters.Add(SqlValue.Of(id));
            plan.Parameters.Add(SqlValue.Of(one.Kind.ToText()));
            plan.Parameters.Add(SqlValue.Of(one.Server));
            plan.Parameters.Add(SqlValue.Of(one.Database.Name));
            plan.Parameters.Add(SqlValue.Of(one.Name));
            await plan.ExecuteNonQueryAsync();
        }

        return id;
    }

    private async Task SetStatusAsync(Guid operation, string status)
    {
        await using var command = _platform.Catalog.Source.CreateCommand(
            "UPDATE operations SET status = $2, finished_at = CASE WHEN $2 = 'failed' THEN now() END WHERE id = $1"
        );
        command.Parameters.Add(SqlValue.Of(operation));
        command.Parameters.Add(SqlValue.Of(status));
        await command.ExecuteNonQueryAsync();
    }

    private async Task<List<string>> OutcomesAsync(Guid operation)
    {
        await using var connection = await _platform.Catalog.Source.OpenConnectionAsync();
        return await connection.LinesAsync(
            "SELECT initcap(kind) || ' ' || outcome FROM operation_objects WHERE operation_id = $1 ORDER BY 1",
            SqlValue.Of(operation)
        );
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (var i = 0; !await condition(); i++)
        {
            Assert.True(i < 400, "It did not become so in time.");
            await Task.Delay(50);
        }
    }
}
