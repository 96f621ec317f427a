using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using TenantDocs.Benchmarks.Hosts;
using TenantDocs.Benchmarks.Rows;

namespace TenantDocs.Benchmarks.Stage;

/// <summary>A tenant that the run may use, with a key of its own.</summary>
internal sealed record BenchTenant(Guid Id, string Slug, string Key, string Database, string Schema);

/// <summary>The product, as a process of its own, on the run's cluster and on databases with a prefix of its own.</summary>
internal sealed class ApiHost : IDisposable
{
    public const string RoleSecret = "benchmarks";
    private const string StaffKey = "td_benchmarks_staff_key_0123456789";
    private readonly HttpClient _client;

    private ApiHost(
        ChildProcess process,
        int port,
        string prefix,
        IReadOnlyDictionary<string, string> environment,
        TimeSpan start
    )
    {
        Environment = environment;
        Process = process;
        Port = port;
        Prefix = prefix;
        StartTime = start;
        _client = new HttpClient
        {
            BaseAddress = new Uri($"http://127.0.0.1:{port}"),
            Timeout = TimeSpan.FromMinutes(5),
        };
        _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", StaffKey);
    }

    public ChildProcess Process { get; }

    public int Port { get; }

    public ServedHost Served => new(Process, Port);

    public string Prefix { get; }

    /// <summary>Its configuration.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>From the start of the process to the first 200 on /health/ready.</summary>
    public TimeSpan StartTime { get; }

    /// <param name="cluster">Holds catalog and tenants.</param>
    /// <param name="prefix">Of its databases.</param>
    /// <param name="server">How tenants' databases are reached, where not like the catalog (through a counting proxy).</param>
    /// <param name="budget">Server connections; null = as users get it.</param>
    public static async Task<ApiHost> StartAsync(
        Cluster cluster,
        string prefix,
        string? server = null,
        int? budget = null
    )
    {
        var port = ChildProcess.FreePort();
        var environment = new Dictionary<string, string>
        {
            ["ConnectionStrings__Catalog"] = cluster.ConnectionString,
            ["Servers__local-1__ConnectionString"] = server ?? cluster.ConnectionString,
            ["Catalog__DatabasePrefix"] = prefix,
            ["Catalog__RoleSecret"] = RoleSecret,
            ["Admin__BootstrapKey"] = StaffKey,
            ["Demo__Preset"] = "none",
            ["Logging__LogLevel__Default"] = "Warning",
            ["ASPNETCORE_ENVIRONMENT"] = "Production",
            ["Urls"] = $"http://127.0.0.1:{port}",
        };
        if (budget is { } connections)
        {
            environment["Isolation__ConnectionBudget"] = $"{connections}";
        }

        var start = Stopwatch.GetTimestamp();
        var process = ChildProcess.Start(ChildProcess.Api, [], environment);
        process.DrainOutput();
        try
        {
            await process.WaitForAsync(port, "/health/ready");
        }
        catch
        {
            process.Dispose();
            throw;
        }

        return new ApiHost(process, port, prefix, environment, Stopwatch.GetElapsedTime(start));
    }

    /// <summary>Provisions a tenant through the admin API: one request that waits for the operation.</summary>
    public async Task<BenchTenant> CreateTenantAsync(string slug, string isolation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/admin/v1/tenants")
        {
            Content = JsonContent.Create(
                new
                {
                    slug,
                    name = slug,
                    isolation,
                }
            ),
        };
        request.Headers.Add("Prefer", "wait=60");
        using var answer = await _client.SendAsync(request);
        var tenant = await ReadAsync(answer);
        if ((int)answer.StatusCode != 201)
        {
            throw new BenchmarkException($"Provisioning {slug} did not finish: {tenant.ToJsonString()}");
        }

        var placement = tenant["placement"]!;
        return new BenchTenant(
            Guid.Parse((string)tenant["id"]!),
            slug,
            "",
            (string)placement["database"]!,
            (string)placement["schema"]!
        );
    }

    public void Dispose()
    {
        _client.Dispose();
        Process.Dispose();
    }

    private static async Task<JsonNode> ReadAsync(HttpResponseMessage answer)
    {
        var text = await answer.Content.ReadAsStringAsync();
        return answer.IsSuccessStatusCode
            ? JsonNode.Parse(text)!
            : throw new BenchmarkException($"{answer.RequestMessage!.RequestUri}: {(int)answer.StatusCode} {text}");
    }
}
