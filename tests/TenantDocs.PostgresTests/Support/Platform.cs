using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;
using TenantDocs.Provisioning;

namespace TenantDocs.PostgresTests.Support;

/// <summary>A whole engine on databases of its own (a random prefix), so that test classes run beside each other.</summary>
public sealed class Platform : IAsyncDisposable
{
    // One secret for all: the roles belong to the test server, and every platform on it derives the same passwords.
    public const string RoleSecret = "tests";

    private readonly ServiceProvider _services;
    private readonly string _prefix;
    private readonly List<IHostedService> _started = [];

    private Platform(ServiceProvider services, string prefix)
    {
        _services = services;
        _prefix = prefix;
    }

    public IServiceProvider Services => _services;

    /// <summary>Leads the names of its databases.</summary>
    public string Prefix => _prefix;

    public TenantSessions Sessions => Get<TenantSessions>();

    public ServerConnections Servers => Get<ServerConnections>();

    public CatalogDatabase Catalog => Get<CatalogDatabase>();

    public static Dictionary<string, string?> Settings(string prefix) =>
        new()
        {
            ["Catalog:DatabasePrefix"] = prefix,
            ["Catalog:RoleSecret"] = RoleSecret,
            // Many platforms share the test servers: no one of them may take all their connections.
            ["Isolation:ConnectionBudget"] = "20",
            ["Isolation:MaxConnectionsPerDatabase"] = "12",
            ["Isolation:IdleLifetime"] = "00:00:30",
            // A loaded build machine must not fail for being slow.
            ["Moves:MaxWritePauseMs"] = "20000",
        };

    public static async Task<Platform> StartAsync(
        string catalogServer,
        IReadOnlyList<string> servers,
        IReadOnlyDictionary<string, string?>? settings = null,
        Action<IServiceCollection>? configure = null
    )
    {
        var prefix = $"x{Guid.NewGuid():n}"[..12];
        var all = Settings(prefix);
        foreach (var (key, value) in settings ?? new Dictionary<string, string?>())
        {
            all[key] = value;
        }

        var collection = new ServiceCollection();
        collection.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(all).Build());
        collection.AddLogging();
        collection.AddTenantDocs();
        configure?.Invoke(collection);
        var platform = new Platform(collection.BuildServiceProvider(), prefix);
        await IsolationSwitch.PrepareAsync(servers);
        await platform
            .Get<PlatformStartup>()
            .OpenAsync(
                catalogServer,
                [
                    .. servers.Select(
                        (s, i) => new ServerRegistration($"local-{i + 1}", new ServerOptions { ConnectionString = s })
                    ),
                ],
                CancellationToken.None
            );
        await IsolationSwitch.ApplyAsync(platform);
        foreach (var hosted in platform._services.GetServices<IHostedService>().Where(h => h is not PlatformHost))
        {
            await hosted.StartAsync(CancellationToken.None);
            platform._started.Add(hosted);
        }

        return platform;
    }

    /// <summary>A new active tenant, made as the API makes it.</summary>
    public async Task<Tenant> NewTenantAsync(IsolationModel model, string? slug = null, string? server = null)
    {
        Assert.True(TenantSlug.TryParse(slug ?? $"t-{Guid.NewGuid():n}"[..20], out var parsed));
        var started = await Get<TenantProvisioning>()
            .StartAsync(
                new NewTenant(parsed, $"Tenant {parsed}") { Isolation = model, Server = server },
                "tests",
                CancellationToken.None
            );
        var ended = await Get<OperationRequests>()
            .WaitAsync(started.Value, TimeSpan.FromMinutes(1), CancellationToken.None);
        Assert.True(ended.Status is OperationStatus.Succeeded, $"{ended.Status}: {ended.Problem}");
        return (await Get<TenantCatalog>().FindBySlugAsync(parsed.Value, CancellationToken.None))!;
    }

    public T Get<T>()
        where T : notnull => _services.GetRequiredService<T>();

    public Task<NpgsqlConnection> OpenAsync(Tenant tenant, SessionRole role) =>
        Servers.OpenAsync(tenant.Placement.Server, tenant.Placement.Database, role, CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        var servers = Servers.All;
        foreach (var hosted in Enumerable.Reverse(_started))
        {
            await hosted.StopAsync(CancellationToken.None);
        }

        await _services.DisposeAsync();
        foreach (var server in servers)
        {
            await DropDatabasesAsync(server.ConnectionString, _prefix);
        }
    }

    public static async Task DropDatabasesAsync(string server, string prefix)
    {
        var settings = new NpgsqlConnectionStringBuilder(server) { Database = "postgres", Pooling = false };
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync();
        // A move that a test left waiting keeps a slot, and a slot keeps its database.
        await using (
            var slots = new NpgsqlCommand(
                """
                SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
                 WHERE starts_with(database, $1) AND (active_pid IS NULL OR pg_terminate_backend(active_pid, 10000))
                """,
                connection
            )
        )
        {
            slots.Parameters.AddWithValue(prefix + "_");
            await UntilUnusedAsync(slots);
        }

        var names = new List<string>();
        await using (
            var list = new NpgsqlCommand("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", connection)
        )
        {
            list.Parameters.AddWithValue(prefix + "_");
            await using var reader = await list.ExecuteReaderAsync();
            while (await reader.ReadAsync())
            {
                names.Add(reader.GetString(0));
            }
        }

        foreach (var name in names)
        {
            await using var drop = new NpgsqlCommand($"DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)", connection);
            await UntilUnusedAsync(drop);
        }
    }

    // A reader is on its way out, or came back once more; a backend that was ended waits for a processor.
    private static async Task UntilUnusedAsync(NpgsqlCommand command)
    {
        for (var attempts = 1; ; attempts++)
        {
            try
            {
                await command.ExecuteNonQueryAsync();
                return;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ObjectInUse && attempts < 20)
            {
                await Task.Delay(100);
            }
        }
    }
}
