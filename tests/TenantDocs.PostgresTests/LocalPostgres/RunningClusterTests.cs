using System.Runtime.Versioning;
using Npgsql;
using TenantDocs.LocalPostgres;

namespace TenantDocs.PostgresTests.LocalPostgres;

/// <summary>One durable cluster for the facts that only look at it.</summary>
public sealed class RunningCluster : IAsyncLifetime
{
    internal LocalFolder Folder { get; } = new();

    public LocalPostgresCluster Cluster { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var options = Folder.Options();
        options.Fast = false;
        options.Settings["work_mem"] = "7MB";
        options.Settings["tenantdocs.note"] = @"it's a back\slash";
        Cluster = (await Folder.StartAsync(options)).Clusters[0];
    }

    public ValueTask DisposeAsync() => Folder.DisposeAsync();
}

public class RunningClusterTests(RunningCluster running) : IClassFixture<RunningCluster>
{
    [Theory]
    [InlineData("wal_level", "logical")]
    [InlineData("max_wal_senders", "32")]
    [InlineData("max_replication_slots", "32")]
    [InlineData("max_connections", "100")]
    [InlineData("max_locks_per_transaction", "256")]
    [InlineData("listen_addresses", "127.0.0.1")]
    [InlineData("unix_socket_permissions", "0700")]
    [InlineData("password_encryption", "scram-sha-256")]
    [InlineData("data_checksums", "on")]
    [InlineData("fsync", "on")]
    [InlineData("full_page_writes", "on")]
    [InlineData("synchronous_commit", "on")]
    [InlineData("server_encoding", "UTF8")]
    [InlineData("logging_collector", "on")]
    [InlineData("work_mem", "7MB")]
    [InlineData("tenantdocs.note", @"it's a back\slash")]
    public async Task A_cluster_has_the_setting(string name, string value) =>
        Assert.Equal(value, await LocalFolder.AskAsync(running.Cluster.ConnectionString, "SHOW " + name));

    [Fact]
    public async Task Fast_gives_up_durability_and_only_for_who_asks()
    {
        await using var folder = new LocalFolder();
        var fast = (await folder.StartAsync()).Clusters[0].ConnectionString;
        Assert.Equal("off", await LocalFolder.AskAsync(fast, "SHOW fsync"));
        Assert.Equal("on", await LocalFolder.AskAsync(running.Cluster.ConnectionString, "SHOW fsync"));
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public void Passwords_are_readable_by_this_user_alone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no file modes.");
        var password = File.ReadAllText(running.Folder.Cluster.PasswordFile);
        Assert.True(password.Length >= 32);
        string[] secret = [running.Folder.Cluster.PasswordFile, Path.Combine(running.Folder.Path, "clusters.json")];
        foreach (var file in secret)
        {
            Assert.Contains(password, File.ReadAllText(file), StringComparison.Ordinal);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        }

        // And nowhere else: no other file that this room wrote holds it.
        var others = Directory.GetFiles(running.Folder.Cluster.Root).Where(f => !secret.Contains(f));
        Assert.All(others, f => Assert.DoesNotContain(password, File.ReadAllText(f), StringComparison.Ordinal));
        Assert.DoesNotContain(password, running.Folder.Log.All, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_wrong_password_is_refused_and_the_right_one_admitted(bool socket)
    {
        var text = new NpgsqlConnectionStringBuilder(running.Cluster.ConnectionString);
        text.Host = socket ? text.Host : "127.0.0.1";
        Assert.Equal("1", await LocalFolder.AskAsync(text.ConnectionString, "SELECT 1"));
        text.Password = "wrong";
        var refused = await Assert.ThrowsAsync<PostgresException>(() =>
            LocalFolder.AskAsync(text.ConnectionString, "SELECT 1")
        );
        Assert.Equal(PostgresErrorCodes.InvalidPassword, refused.SqlState);
    }

    [Fact]
    public async Task The_state_file_leads_to_the_running_cluster_and_starts_none()
    {
        var found = Assert.Single(LocalPostgresState.TryRead(running.Folder.Path)!.Clusters);
        Assert.True(found.Runs());
        Assert.Equal(running.Cluster.ProcessId, found.ProcessId);
        Assert.Equal(running.Cluster.Version, found.Version);
        Assert.Equal("postgres", await LocalFolder.AskAsync(found.ConnectionString, "SELECT current_user || ''"));
        Assert.Null(LocalPostgresState.TryRead(running.Folder.Path + "-of-nobody"));
    }

    [Fact]
    public async Task The_server_writes_its_log_below_the_data_folder()
    {
        await LocalFolder.AskAsync(
            running.Cluster.ConnectionString,
            "DO $$ BEGIN RAISE WARNING 'seen in the log'; END $$"
        );
        await LocalFolder.UntilAsync(
            "the warning in the log",
            () => running.Folder.Cluster.LastWords().Contains("seen in the log", StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task PostgreSQL_runs_unprivileged()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Reads /proc.");
        var status = await File.ReadAllLinesAsync(
            $"/proc/{running.Cluster.ProcessId}/status",
            TestContext.Current.CancellationToken
        );
        var user = status.First(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1];
        Assert.NotEqual("0", user);
    }
}
