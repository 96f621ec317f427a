using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Moves;
using TenantDocs.PostgresTests.LocalPostgres;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>A server whose disk is slow: its commits are late, while what writes nothing is answered as before.</summary>
public sealed class PacerTests(PostgresFixture postgres, OwnCluster cluster)
    : FaultSetting(postgres),
        IClassFixture<OwnCluster>
{
    // Three seconds of them: longer than it takes to see whether others use the server.
    private const int Some = 60;
    private readonly PostgresFixture _postgres = postgres;

    [Fact]
    public async Task It_rests_while_commits_are_late_but_not_on_a_server_that_nobody_else_uses()
    {
        var own = await cluster.ConnectionString();
        await StartAsync(await _postgres.ServerConnectionString(0), own, await _postgres.ServerConnectionString(1));
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var pacer = await SourcePacer.StartAsync(
            new MoveConnections(Platform.Servers, Guid.NewGuid(), TimeSpan.FromMinutes(1)),
            [tenant.Placement],
            Platform.Catalog.Name,
            TimeSpan.FromMilliseconds(20),
            TimeProvider.System,
            CancellationToken.None
        );
        Assert.SkipWhen(pacer.Limit > TimeSpan.FromMilliseconds(80), "The server is too slow now to be made slow.");
        await AnswersAsync();
        await UntilAsync("it does not rest", () => Task.FromResult(pacer.Rest == 0));

        // Each commit waits for others that could join it (commit_delay): as on a disk that takes 100 ms.
        foreach (var setting in new[] { "fsync = on", "commit_siblings = 0", "commit_delay = 100000" })
        {
            await LocalFolder.AskAsync(own, $"ALTER SYSTEM SET {setting}");
        }

        await LocalFolder.AskAsync(own, "SELECT pg_reload_conf()");
        await AnswersAsync();
        Assert.False(pacer.IsResting);

        using var enough = new CancellationTokenSource();
        var others = ReadAsync(own, enough.Token);
        await UntilAsync("it rests", () => Task.FromResult(pacer.IsResting));
        await enough.CancelAsync();
        await others;

        async Task AnswersAsync()
        {
            var until = pacer.Answers + Some;
            await UntilAsync("the server answers", () => Task.FromResult(pacer.Answers >= until));
        }
    }

    private static async Task ReadAsync(string server, CancellationToken enough)
    {
        await using var connection = new NpgsqlConnection(server + ";Pooling=false");
        await connection.OpenAsync(CancellationToken.None);
        while (!enough.IsCancellationRequested)
        {
            await ExecuteAsync(connection, "SELECT 1");
        }
    }
}
