using Npgsql;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Migrations;

public sealed class MigrationTests(PostgresFixture postgres) : IAsyncLifetime
{
    private Platform _platform = null!;

    public async ValueTask InitializeAsync()
    {
        var server = await postgres.ServerConnectionString(0);
        _platform = await Platform.StartAsync(server, [server]);
    }

    public ValueTask DisposeAsync() => _platform.DisposeAsync();

    [Fact]
    public async Task Running_again_applies_nothing()
    {
        await using var connection = await AdminAsync();

        Assert.Equal(0, await RunAsync(connection));
        Assert.Equal(MigrationSet.Tenant.Migrations.Count, await CountAsync(connection, "shared", "tenant"));
        Assert.Equal(MigrationSet.Host.Migrations.Count, await CountAsync(connection, "tenantdocs", "host"));
    }

    [Fact]
    public async Task A_shipped_text_that_was_edited_is_refused_and_changes_nothing()
    {
        await using var connection = await AdminAsync();
        Assert.Equal(0, await RunAsync(connection));

        await ExecuteAsync(
            connection,
            "UPDATE tenantdocs.schema_version SET checksum = '\\x00' WHERE target = 'shared'"
        );
        var refused = await Assert.ThrowsAsync<MigrationException>(() => RunAsync(connection));

        Assert.Contains("another text", refused.Message, StringComparison.Ordinal);
        Assert.Equal(MigrationSet.Tenant.Migrations.Count, await CountAsync(connection, "shared", "tenant"));
    }

    [Fact]
    public async Task A_target_that_is_newer_than_the_program_is_refused()
    {
        await using var connection = await AdminAsync();
        await ExecuteAsync(
            connection,
            "INSERT INTO tenantdocs.schema_version (target, area, version, name, checksum) VALUES ('shared', 'tenant', 9999, 'later', '\\x00')"
        );

        var refused = await Assert.ThrowsAsync<MigrationException>(() => RunAsync(connection));

        Assert.Contains("newer", refused.Message, StringComparison.Ordinal);
        await ExecuteAsync(connection, "DELETE FROM tenantdocs.schema_version WHERE version = 9999");
        Assert.Equal(0, await RunAsync(connection));
    }

    [Fact]
    public async Task Two_hosts_that_prepare_one_server_at_once_both_succeed()
    {
        var bootstrap = _platform.Get<ServerBootstrap>();

        await Task.WhenAll(
            bootstrap.PrepareAsync("local-1", CancellationToken.None),
            bootstrap.PrepareAsync("local-1", CancellationToken.None)
        );

        await using var connection = await AdminAsync();
        Assert.Equal(MigrationSet.Tenant.Migrations.Count, await CountAsync(connection, "shared", "tenant"));
    }

    [Fact]
    public async Task Nobody_can_connect_to_the_template_database()
    {
        var names = _platform.Get<DatabaseNames>();

        var refused = await Assert.ThrowsAsync<PostgresException>(() =>
            _platform.Servers.OpenAsync("local-1", names.TemplateDatabase, SessionRole.Admin, CancellationToken.None)
        );

        Assert.Equal("55000", refused.SqlState); // "database is not currently accepting connections"
        await using var other = await AdminAsync();
        Assert.Equal(System.Data.ConnectionState.Open, other.State);
    }

    private Task<NpgsqlConnection> AdminAsync() =>
        _platform.Servers.OpenAsync(
            "local-1",
            _platform.Get<DatabaseNames>().SharedDatabase,
            SessionRole.Admin,
            CancellationToken.None
        );

    private static Task<int> RunAsync(NpgsqlConnection connection) =>
        MigrationRunner.MigrateAsync(
            connection,
            MigrationSet.Tenant,
            DatabaseNames.GateSchema,
            DatabaseNames.SharedSchema,
            CancellationToken.None
        );

    private static async Task<long> CountAsync(NpgsqlConnection connection, string target, string area)
    {
        await using var command = new NpgsqlCommand(
            "SELECT count(*) FROM tenantdocs.schema_version WHERE target = $1 AND area = $2",
            connection
        );
        command.Parameters.Add(SqlValue.Of(target));
        command.Parameters.Add(SqlValue.Of(area));
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
