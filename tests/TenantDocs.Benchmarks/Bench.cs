using TenantDocs.Benchmarks.Driving;
using TenantDocs.Benchmarks.Hosts;
using TenantDocs.Benchmarks.Rows;
using TenantDocs.Benchmarks.Stage;

namespace TenantDocs.Benchmarks;

/// <summary>What the rows share: cluster, driver, hosts and loaded tenants, each made when the first row asks.</summary>
internal sealed class Bench : IAsyncDisposable
{
    /// <summary>Tenants of each model, and documents of each of them.</summary>
    public const int TenantsPerModel = 10;

    private const string Prefix = "bench";
    private readonly List<IDisposable> _processes = [];
    private readonly Lazy<Task<ApiHost>> _api;
    private readonly Lazy<Task<ServedHost>> _floor;
    private readonly Dictionary<string, Task<IReadOnlyList<LoadedTenant>>> _models = [];

    private Bench(Settings settings, Cluster cluster)
    {
        Settings = settings;
        Cluster = cluster;
        Loader = new Loader(cluster);
        Requests = new RequestFile(cluster.Folder);
        Driver = Keep(new DriverProcess());
        // Three models are measured in turns in one host: under the ordinary budget of 60 each would open its connections
        // anew at the beginning of its round, which no host that serves them all the time does.
        _api = new(async () => Keep(await ApiHost.StartAsync(cluster, Prefix, budget: 200)));
        _floor = new(StartFloorAsync);
    }

    public Settings Settings { get; }

    public Cluster Cluster { get; }

    public Loader Loader { get; }

    public RequestFile Requests { get; }

    public DriverProcess Driver { get; }

    public int DocumentsPerTenant => Settings.Quick ? 200 : 1000;

    public static async Task<Bench> StartAsync(Settings settings) => new(settings, await Cluster.StartAsync());

    /// <summary>The product.</summary>
    public Task<ApiHost> ApiAsync() => _api.Value;

    /// <summary>Floor and peers.</summary>
    public Task<ServedHost> FloorAsync() => _floor.Value;

    /// <summary>Ends a process with the run, or earlier.</summary>
    public T Keep<T>(T process)
        where T : IDisposable
    {
        _processes.Add(process);
        return process;
    }

    /// <summary>The tenants of a model, loaded.</summary>
    public Task<IReadOnlyList<LoadedTenant>> TenantsAsync(string isolation) =>
        _models.TryGetValue(isolation, out var tenants) ? tenants : _models[isolation] = LoadTenantsAsync(isolation);

    /// <summary>The owners and documents in the databases of floor and peers.</summary>
    public IReadOnlyList<LoadedTenant> FloorTenants { get; private set; } = [];

    public IReadOnlyList<LoadedTenant> PeerTenants { get; private set; } = [];

    /// <summary>Tenants seeded by SQL, by the prefix of their platform.</summary>
    public Dictionary<string, IReadOnlyList<BenchTenant>> Seeded { get; } = [];

    public LoadOrder Order(int port, string file, int expect = 200, int shortest = 0) =>
        new(port, file, Settings.Connections, Settings.Seconds, expect, shortest);

    public async ValueTask DisposeAsync()
    {
        _processes.Reverse();
        _processes.ForEach(p => p.Dispose());
        await Cluster.DisposeAsync();
    }

    private async Task<ServedHost> StartFloorAsync()
    {
        await ApiAsync(); // its template is what the comparison is made of
        await Comparison.CreateAsync(Cluster, Prefix);
        FloorTenants = await LoadOwnersAsync(Comparison.Floor);
        PeerTenants = await LoadOwnersAsync(Comparison.Peers);
        var (floor, peers) = Comparison.ConnectionStrings(Cluster);
        var port = ChildProcess.FreePort();
        var process = Keep(
            ChildProcess.Start(
                ChildProcess.Self,
                ["floor", $"{port}"],
                new Dictionary<string, string> { [FloorHost.FloorVariable] = floor, [FloorHost.PeersVariable] = peers }
            )
        );
        process.DrainOutput();
        await process.WaitForAsync(port, "/ready");
        return new ServedHost(process, port);
    }

    private async Task<IReadOnlyList<LoadedTenant>> LoadOwnersAsync(string database)
    {
        var owners = Enumerable.Range(0, TenantsPerModel).Select(_ => (Guid.CreateVersion7(), DocumentsPerTenant));
        var rows = await Loader.LoadAsync(database, Comparison.Schema, owners);
        return
        [
            .. rows.GroupBy(r => r.Owner)
                .Select(g => new LoadedTenant(
                    new BenchTenant(g.Key, "", "", database, Comparison.Schema),
                    [.. g.Select(r => r.Id)]
                )),
        ];
    }

    private async Task<IReadOnlyList<LoadedTenant>> LoadTenantsAsync(string isolation)
    {
        var api = await ApiAsync();
        var tenants = new List<LoadedTenant>();
        await using var bare = await BareTenants.OpenAsync(Cluster, api.Prefix, isolation);
        for (var i = 0; i < TenantsPerModel; i++)
        {
            var tenant = await bare.MakeWithKeyAsync($"{isolation}-{i}");
            var rows = await Loader.LoadAsync(tenant.Database, tenant.Schema, [(tenant.Id, DocumentsPerTenant)]);
            tenants.Add(new LoadedTenant(tenant, [.. rows.Select(r => r.Id)]));
        }

        return tenants;
    }
}

/// <summary>A tenant and its documents.</summary>
internal sealed record LoadedTenant(BenchTenant Tenant, IReadOnlyList<Guid> Documents);
