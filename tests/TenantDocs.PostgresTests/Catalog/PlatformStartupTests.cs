using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Fleet;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Catalog;

public sealed class PlatformStartupTests(PostgresFixture postgres) : IAsyncLifetime
{
    private Platform _platform = null!;
    private string _server = "";

    public async ValueTask InitializeAsync()
    {
        _server = await postgres.ServerConnectionString(0);
        _platform = await Platform.StartAsync(_server, [_server]);
    }

    public ValueTask DisposeAsync() => _platform.DisposeAsync();

    [Fact]
    public async Task An_unguarded_table_keeps_the_host_from_serving_and_is_named()
    {
        var startup = _platform.Get<PlatformStartup>();
        await startup.OpenAsync(_server, [], CancellationToken.None);

        await ExecuteAsync("ALTER TABLE shared.documents NO FORCE ROW LEVEL SECURITY");
        var refused = await Assert.ThrowsAsync<TenantIsolationException>(() =>
            startup.OpenAsync(_server, [], CancellationToken.None)
        );

        Assert.Contains("shared.documents", refused.Message, StringComparison.Ordinal);
        await ExecuteAsync("ALTER TABLE shared.documents FORCE ROW LEVEL SECURITY");
        await startup.OpenAsync(_server, [], CancellationToken.None);
    }

    [Fact]
    public async Task A_server_that_is_down_does_not_keep_the_others_from_being_served()
    {
        var startup = _platform.Get<PlatformStartup>();
        // Port 1 of the loopback address: nothing listens there.
        var down = new NpgsqlConnectionStringBuilder(_server)
        {
            Host = "127.0.0.1",
            Port = 1,
            Timeout = 2,
        };

        await startup.OpenAsync(
            _server,
            [new ServerRegistration("down", new ServerOptions { ConnectionString = down.ConnectionString })],
            CancellationToken.None
        );

        Assert.True(_platform.Servers.Contains("down"));
        var tenant = await _platform.NewTenantAsync(IsolationModel.Shared, server: "local-1");
        Assert.Equal(TenantStatus.Active, tenant.Status);
        // Nobody is sent there, also once it answers, before it was examined. The control: the other one is served.
        await Assert.ThrowsAsync<ServerWithheldException>(() => RentAsync("down"));
        await RentAsync("local-1");
        _platform.Servers.Register(_platform.Servers["down"] with { ConnectionString = _server });
        await Assert.ThrowsAsync<ServerWithheldException>(() => RentAsync("down"));

        await ExecuteAsync("ALTER TABLE shared.documents NO FORCE ROW LEVEL SECURITY");
        await startup.PrepareWithheldAsync(CancellationToken.None);
        await Assert.ThrowsAsync<ServerWithheldException>(() => RentAsync("down"));

        await ExecuteAsync("ALTER TABLE shared.documents FORCE ROW LEVEL SECURITY");
        await startup.PrepareWithheldAsync(CancellationToken.None);
        await RentAsync("down");
    }

    private async Task RentAsync(string server)
    {
        var names = _platform.Get<DatabaseNames>();
        await using var lease = await _platform
            .Get<DataSourceRegistry>()
            .RentAsync(
                server,
                names.SharedDatabase,
                _platform.Get<Isolations>()[IsolationModel.Shared],
                CancellationToken.None
            );
    }

    [Fact]
    public async Task A_control_database_that_is_there_already_is_closed_to_everybody_else()
    {
        var catalog = _platform.Get<DatabaseNames>().Catalog;
        await ExecuteAsync($"GRANT CONNECT, TEMPORARY ON DATABASE {catalog.Quoted} TO PUBLIC");
        Assert.True(await _platform.Catalog.IsOpenToPublicAsync(CancellationToken.None));
        var found = await _platform.Get<Doctor>().ExamineAsync(CancellationToken.None);
        Assert.Equal(CheckStatus.Failed, found.Checks.Single(c => c.Name == "control-database").Status);

        await _platform.Get<PlatformStartup>().OpenAsync(_server, [], CancellationToken.None);

        Assert.False(await _platform.Catalog.IsOpenToPublicAsync(CancellationToken.None));
        found = await _platform.Get<Doctor>().ExamineAsync(CancellationToken.None);
        Assert.Equal(CheckStatus.Ok, found.Checks.Single(c => c.Name == "control-database").Status);
    }

    [Fact]
    public async Task A_control_database_that_cannot_be_closed_keeps_the_host_from_serving()
    {
        var name = $"x{Guid.NewGuid():n}"[..12];
        await ExecuteAsync($"CREATE ROLE {name} LOGIN CREATEDB CREATEROLE PASSWORD 'x'");
        await ExecuteAsync($"CREATE DATABASE {name}");
        var other = new NpgsqlConnectionStringBuilder(_server)
        {
            Database = name,
            Username = name,
            Password = "x",
            Pooling = false,
        }.ConnectionString;
        await using var database = new CatalogDatabase();

        var refused = await Assert.ThrowsAsync<TenantIsolationException>(() =>
            database.OpenAsync(other, new DatabaseNames(name), CancellationToken.None)
        );

        Assert.Contains("REVOKE ALL", refused.Message, StringComparison.Ordinal);
        // The control: for the owner the same database opens.
        await ExecuteAsync($"ALTER DATABASE {name} OWNER TO {name}");
        await database.OpenAsync(other, new DatabaseNames(name), CancellationToken.None);
        Assert.False(await database.IsOpenToPublicAsync(CancellationToken.None));
        await database.DisposeAsync();
        await ExecuteAsync($"DROP DATABASE {name} WITH (FORCE)");
        await ExecuteAsync($"DROP ROLE {name}");
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = await _platform.Servers.OpenAsync(
            "local-1",
            _platform.Get<DatabaseNames>().SharedDatabase,
            SessionRole.Admin,
            CancellationToken.None
        );
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
