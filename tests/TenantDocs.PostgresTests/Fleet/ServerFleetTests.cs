using System.Diagnostics;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Fleet;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Provisioning;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Fleet;

public sealed class ServerFleetTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private Platform _platform = null!;
    private string _first = "";
    private string _second = "";

    private ServerFleet Fleet => _platform.Get<ServerFleet>();

    public async ValueTask InitializeAsync()
    {
        _first = await postgres.ServerConnectionString(0);
        _second = await postgres.ServerConnectionString(1);
        Assert.SkipWhen(_first == _second, "This needs two clusters.");
        _platform = await Platform.StartAsync(_first, [_first]);
    }

    public ValueTask DisposeAsync() => _platform?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task A_cluster_that_is_registered_already_is_refused_and_its_tenants_are_served_on()
    {
        var tenant = await _platform.NewTenantAsync(IsolationModel.Shared);

        // By another address: it is the cluster that counts.
        var other = new NpgsqlConnectionStringBuilder(_first) { ApplicationName = "another name" }.ConnectionString;
        var twice = await Fleet.AddAsync("again", new ServerOptions { ConnectionString = other }, Never);

        Assert.Equal("duplicate", twice.Error?.Code);
        Assert.Contains("local-1", twice.Error!.Detail, StringComparison.Ordinal);
        Assert.False(_platform.Servers.Contains("again"));
        // Its roles have the passwords that they had: a new connection comes in.
        await SignInAsync(tenant);
        Assert.Equal(1, await Homes.WriteAsync(_platform, tenant));
        // The control: another cluster is registered, and holds tenants at once.
        Assert.Null((await Fleet.AddAsync("far", new ServerOptions { ConnectionString = _second }, Never)).Error);
        var there = await _platform.NewTenantAsync(IsolationModel.Schema, server: "far");
        Assert.Equal(1, await Homes.WriteAsync(_platform, there));
    }

    [Fact]
    public async Task A_server_that_cannot_be_prepared_is_not_registered_and_can_be_added_once_it_fits()
    {
        await using var role = await WeakRole.CreateAsync(_second);

        var refused = await Fleet.AddAsync("weak", new ServerOptions { ConnectionString = role.Connection }, Never);

        Assert.Equal("validation-failed", refused.Error?.Code);
        Assert.Contains("privilege", refused.Error!.Errors!["connectionString"][0], StringComparison.Ordinal);
        Assert.False(_platform.Servers.Contains("weak"));
        Assert.DoesNotContain(await NamesAsync(), n => n == "weak");
        Assert.Null((await Fleet.AddAsync("weak", new ServerOptions { ConnectionString = _second }, Never)).Error);
        Assert.Contains("weak", await NamesAsync());
    }

    [Theory]
    [InlineData("Host=127.0.0.1;Port=1;Timeout=2")]
    [InlineData("Host=127.0.0.1;SSL Mode=Require;SSL Certificate=/no/such/file.pfx")]
    [InlineData("Host=127.0.0.1;Port=abc")]
    [InlineData("nonsense")]
    public async Task Whatever_is_wrong_with_a_connection_string_it_is_the_callers_fault(string connectionString)
    {
        var refused = await Fleet.AddAsync("x", new ServerOptions { ConnectionString = connectionString }, Never);

        Assert.Equal(["connectionString"], refused.Error?.Errors?.Keys);
        Assert.DoesNotContain("x", await NamesAsync());
    }

    [Fact]
    public async Task Of_two_that_register_one_name_at_once_one_is_told_that_it_is_taken()
    {
        var options = new ServerOptions { ConnectionString = _second };

        var both = await Task.WhenAll(Fleet.AddAsync("far", options, Never), Fleet.AddAsync("far", options, Never));

        Assert.Equal(["duplicate"], both.Where(r => r.Error is not null).Select(r => r.Error!.Code));
        var there = await _platform.NewTenantAsync(IsolationModel.Shared, server: "far");
        Assert.Equal(1, await Homes.WriteAsync(_platform, there));
    }

    [Fact]
    public async Task A_registered_server_that_does_not_fit_keeps_the_host_from_serving_only_when_there_is_no_other()
    {
        await using var role = await WeakRole.CreateAsync(_second);
        var startup = _platform.Get<PlatformStartup>();
        var weak = new ServerRegistration("weak", new ServerOptions { ConnectionString = role.Connection });

        await startup.OpenAsync(_first, [weak], Never);

        Assert.Equal(
            1,
            await Homes.WriteAsync(_platform, await _platform.NewTenantAsync(IsolationModel.Shared, server: "local-1"))
        );
        // The control: alone it stops the start.
        var prefix = $"x{Guid.NewGuid():n}"[..12];
        await Assert.ThrowsAsync<PostgresException>(() => StartAloneAsync(prefix, role.Connection));
        await Platform.DropDatabasesAsync(_first, prefix);
        // So that the databases can be dropped at the end.
        _platform.Servers.Register(_platform.Servers["weak"] with { ConnectionString = _second });
    }

    [Fact]
    public async Task Another_node_learns_of_a_new_server_and_of_its_draining_without_a_restart()
    {
        await using var other = await Platform.StartAsync(
            _first,
            [],
            new Dictionary<string, string?>
            {
                ["Catalog:DatabasePrefix"] = _platform.Prefix,
                // All work is this node's: so it must know the server.
                ["Operations:Enabled"] = "false",
            }
        );
        Assert.False(other.Servers.Contains("far"));

        Assert.Null((await Fleet.AddAsync("far", new ServerOptions { ConnectionString = _second }, Never)).Error);
        await UntilAsync(() => other.Servers.Contains("far"));
        var there = await _platform.NewTenantAsync(IsolationModel.Shared, server: "far");
        Assert.Equal(1, await Homes.WriteAsync(other, there));

        await Fleet.SetDrainingAsync("far", true, Never);
        await UntilAsync(() => other.Servers["far"].Draining);
        await Fleet.SetDrainingAsync("far", false, Never);
        await UntilAsync(() => !other.Servers["far"].Draining);
    }

    private async Task StartAloneAsync(string prefix, string server)
    {
        await using var alone = await Platform.StartAsync(
            _first,
            [server],
            new Dictionary<string, string?> { ["Catalog:DatabasePrefix"] = prefix }
        );
    }

    private async Task<List<string>> NamesAsync()
    {
        await using var command = _platform.Catalog.Source.CreateCommand("SELECT name FROM servers");
        await using var reader = await command.ExecuteReaderAsync();
        var names = new List<string>();
        while (await reader.ReadAsync())
        {
            names.Add(reader.GetString(0));
        }

        return names;
    }

    private async Task SignInAsync(Tenant tenant)
    {
        var settings = new NpgsqlConnectionStringBuilder(
            _platform.Servers.ConnectionString("local-1", tenant.Placement.Database, SessionRole.App)
        )
        {
            Pooling = false,
        };
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(Never);
        // The control: another password does not.
        settings.Password += "x";
        await using var stranger = new NpgsqlConnection(settings.ConnectionString);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => stranger.OpenAsync(Never));
        Assert.Equal(PostgresErrorCodes.InvalidPassword, refused.SqlState);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        var start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(20), "It did not become so in time.");
            await Task.Delay(20);
        }
    }

    /// <summary>An administrator that may log in and nothing else.</summary>
    private sealed class WeakRole(string server, string name) : IAsyncDisposable
    {
        public string Connection =>
            new NpgsqlConnectionStringBuilder(server)
            {
                Username = name,
                Password = "weak",
                Pooling = false,
            }.ConnectionString;

        public static async Task<WeakRole> CreateAsync(string server)
        {
            var role = new WeakRole(server, $"weak_{Guid.NewGuid():n}"[..16]);
            await role.RunAsync($"CREATE ROLE {role.Name} LOGIN PASSWORD 'weak'");
            return role;
        }

        private string Name => name;

        public async ValueTask DisposeAsync() => await RunAsync($"DROP ROLE {name}");

        private async Task RunAsync(string sql)
        {
            await using var connection = new NpgsqlConnection(server);
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }
    }
}
