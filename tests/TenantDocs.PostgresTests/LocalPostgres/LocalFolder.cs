using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Npgsql;
using TenantDocs.LocalPostgres;

namespace TenantDocs.PostgresTests.LocalPostgres;

/// <summary>A data folder of one test, and the hosts it starts there; both are gone at the end.</summary>
public sealed class LocalFolder : IAsyncDisposable
{
    private readonly ConcurrentBag<LocalPostgresClusters> _hosts = [];

    public LocalFolder(string? parent = null)
    {
        Path = System.IO.Path.Combine(
            parent ?? System.IO.Path.GetTempPath(),
            "td-local-" + System.IO.Path.GetRandomFileName()
        );
    }

    public string Path { get; }

    internal LogLines Log { get; } = new();

    internal ClusterFolder Cluster => new(System.IO.Path.Combine(Path, "one"));

    public LocalPostgresOptions Options(string? bin = null) =>
        new()
        {
            DataFolder = Path,
            Clusters = { "one" },
            Fast = true,
            BinFolder = bin ?? Environment.GetEnvironmentVariable("TENANTDOCS_TEST_BINFOLDER"),
        };

    public async Task<LocalPostgresClusters> StartAsync(LocalPostgresOptions? options = null)
    {
        var host = await LocalPostgresClusters.StartAsync(
            options ?? Options(),
            Log,
            TimeProvider.System,
            TestContext.Current.CancellationToken
        );
        _hosts.Add(host);
        return host;
    }

    public static async Task<string> AskAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        return $"{await command.ExecuteScalarAsync(TestContext.Current.CancellationToken)}";
    }

    /// <summary>Waits for a condition; fails with its name past the deadline.</summary>
    public static async Task UntilAsync(string what, Func<bool> condition)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(watch.Elapsed < TimeSpan.FromMinutes(2), "Not within two minutes: " + what);
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
    }

    public static void Kill(int processId)
    {
        using var process = Process.GetProcessById(processId);
        process.Kill();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts)
        {
            await host.DisposeAsync();
        }

        if (Directory.Exists(Path))
        {
            Directory.Delete(Path, recursive: true);
        }
    }
}

internal sealed class LogLines : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<(int Id, string Text)> _lines = [];

    public string[] WithId(int id) => [.. _lines.Where(l => l.Id == id).Select(l => l.Text)];

    public string All => string.Join('\n', _lines.Select(l => l.Text));

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) { }

    public void Dispose() { }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel,
        EventId id,
        TState state,
        Exception? e,
        Func<TState, Exception?, string> text
    ) => _lines.Enqueue((id.Id, text(state, e) + e));
}
