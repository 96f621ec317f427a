using Microsoft.Extensions.Logging.Abstractions;
using TenantDocs.LocalPostgres;
using TenantDocs.PostgresTests.Support;

[assembly: AssemblyFixture(typeof(PostgresFixture))]

namespace TenantDocs.PostgresTests.Support;

/// <summary>
/// Two servers for the whole run, started when the first test asks: TENANTDOCS_TEST_POSTGRES (and _2) when set, else embedded clusters in a
/// folder of this run. TENANTDOCS_TEST_BINFOLDER chooses their version.
/// </summary>
public sealed class PostgresFixture : IAsyncDisposable
{
    private const string Prefix = "tenantdocs-tests-";
    private readonly Lazy<Task<string[]>> _servers;
#if USE_TESTCONTAINERS
    private TestcontainersPostgres? _started;
#else
    private LocalPostgresClusters? _started;
#endif
    private string? _folder;
    private FileStream? _alive;

    public PostgresFixture() => _servers = new(StartAsync, LazyThreadSafetyMode.ExecutionAndPublication);

    /// <summary>Superuser, database postgres, on server 0 or 1; the two are one server when only one was configured.</summary>
    public async Task<string> ServerConnectionString(int index) => (await _servers.Value)[index];

    private async Task<string[]> StartAsync()
    {
        if (Environment.GetEnvironmentVariable("TENANTDOCS_TEST_POSTGRES") is { Length: > 0 } first)
        {
            return
            [
                first,
                Environment.GetEnvironmentVariable("TENANTDOCS_TEST_POSTGRES_2") is { Length: > 0 } second
                    ? second
                    : first,
            ];
        }

#if USE_TESTCONTAINERS
        _started = new TestcontainersPostgres();
        return await _started.StartAsync();
#else
        await RemoveLeftoversAsync();
        _folder = Path.Combine(Path.GetTempPath(), Prefix + Path.GetRandomFileName());
        PrivateFile.CreateFolder(_folder, PrivateFile.PassableFolder);
        FileLock.TryExclusive(AliveFile(_folder), out _alive);
        _started = await LocalPostgresClusters.StartAsync(
            Options(_folder, Environment.GetEnvironmentVariable("TENANTDOCS_TEST_BINFOLDER")),
            NullLoggerFactory.Instance,
            TimeProvider.System,
            CancellationToken.None
        );
        return [.. _started.Clusters.Select(c => c.ConnectionString)];
#endif
    }

    /// <summary>Folders of killed runs: nobody holds their lock any more, but their servers may still run.</summary>
    private static async Task RemoveLeftoversAsync()
    {
        foreach (var folder in Directory.GetDirectories(Path.GetTempPath(), Prefix + "*"))
        {
            try
            {
                // Without the file its run has not got that far, or is being removed by another run: not ours to touch.
                if (!File.Exists(AliveFile(folder)) || !FileLock.TryExclusive(AliveFile(folder), out var dead))
                {
                    continue;
                }

                await using (dead)
                {
                    // The binaries of that run, which may have been another version.
                    var bin = LocalPostgresState.TryRead(folder) is { Clusters: [var one, ..] } ? one.BinFolder : null;
                    await LocalPostgresClusters.StopUnusedAsync(
                        Options(folder, bin),
                        NullLoggerFactory.Instance,
                        TimeProvider.System,
                        CancellationToken.None
                    );
                    Directory.Delete(folder, recursive: true);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or LocalPostgresException)
            {
                // Another user's, or just being removed: this run does not depend on it.
            }
        }
    }

    private static LocalPostgresOptions Options(string folder, string? bin) =>
        new()
        {
            DataFolder = folder,
            BinFolder = string.IsNullOrEmpty(bin) ? null : bin,
            MaxConnections = 300,
            Fast = true,
        };

    private static string AliveFile(string folder) => Path.Combine(folder, "test-run.lock");

    public async ValueTask DisposeAsync()
    {
        if (_started is not null)
        {
            await _started.DisposeAsync();
        }

        if (_folder is not null && Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }

        _alive?.Dispose();
    }
}
