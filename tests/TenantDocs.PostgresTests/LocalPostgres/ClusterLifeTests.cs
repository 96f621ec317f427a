using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;
using TenantDocs.LocalPostgres;

namespace TenantDocs.PostgresTests.LocalPostgres;

public class ClusterLifeTests
{
    private const int Created = 8000;
    private const int Adopted = 8002;
    private const int Stale = 8003;
    private const int Died = 8004;
    private const int LeftRunning = 8007;
    private const int OtherPort = 8010;

    [Fact]
    public async Task Two_clusters_are_created_once_and_started_again_with_their_data_ports_and_passwords()
    {
        await using var folder = new LocalFolder();
        var options = folder.Options();
        options.Clusters.Clear();
        var watch = Stopwatch.StartNew();
        var first = await folder.StartAsync(options);
        TestContext.Current.TestOutputHelper?.WriteLine($"first start: {watch.ElapsedMilliseconds} ms");
        Assert.Equal(["local-1", "local-2"], first.Clusters.Select(c => c.Name));
        Assert.Equal(2, folder.Log.WithId(Created).Length);
        await LocalFolder.AskAsync(first.Clusters[1].ConnectionString, "CREATE TABLE kept AS SELECT 42 AS n");
        var before = first.Clusters.Select(c => (c.Port, c.ConnectionString)).ToArray();
        await first.DisposeAsync();

        watch.Restart();
        var second = await folder.StartAsync(options);
        TestContext.Current.TestOutputHelper?.WriteLine($"second start: {watch.ElapsedMilliseconds} ms");

        Assert.Equal(2, folder.Log.WithId(Created).Length);
        Assert.Equal(before, second.Clusters.Select(c => (c.Port, c.ConnectionString)));
        Assert.Equal("42", await LocalFolder.AskAsync(second.Clusters[1].ConnectionString, "SELECT n FROM kept"));
        Assert.NotEqual(
            await LocalFolder.AskAsync(
                second.Clusters[0].ConnectionString,
                "SELECT system_identifier FROM pg_control_system()"
            ),
            await LocalFolder.AskAsync(
                second.Clusters[1].ConnectionString,
                "SELECT system_identifier FROM pg_control_system()"
            )
        );
    }

    [Fact]
    public async Task A_clean_stop_leaves_no_process_and_no_lock_file()
    {
        await using var folder = new LocalFolder();
        var host = await folder.StartAsync();
        var process = host.Clusters[0].ProcessId!.Value;
        Assert.True(Lives(process));

        await host.DisposeAsync();

        Assert.False(Lives(process));
        Assert.False(File.Exists(Postmaster.LockFile(folder.Cluster.Data)));
        Assert.Null(host.Clusters[0].ProcessId);
        Assert.Null(Assert.Single(LocalPostgresState.TryRead(folder.Path)!.Clusters).ProcessId);
    }

    [Fact]
    public async Task A_second_host_adopts_the_running_cluster_and_only_the_last_one_stops_it()
    {
        await using var folder = new LocalFolder();
        var first = await folder.StartAsync();
        var process = first.Clusters[0].ProcessId;
        var second = await folder.StartAsync();

        Assert.Single(folder.Log.WithId(Adopted));
        Assert.Equal(process, second.Clusters[0].ProcessId);

        await first.DisposeAsync();
        Assert.Single(folder.Log.WithId(LeftRunning));
        Assert.Equal("1", await LocalFolder.AskAsync(second.Clusters[0].ConnectionString, "SELECT 1"));

        await second.DisposeAsync();
        Assert.False(Lives(process!.Value));
    }

    [Fact]
    public async Task Hosts_that_start_at_the_same_time_share_one_server()
    {
        await using var folder = new LocalFolder();
        var hosts = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => folder.StartAsync()));
        Assert.Single(folder.Log.WithId(Created));
        Assert.Single(hosts.Select(h => h.Clusters[0].ProcessId).Distinct());
        await Task.WhenAll(hosts.Select(async h => await h.DisposeAsync()));
        Assert.Null(hosts[0].Clusters[0].ProcessId);
    }

    [Fact]
    public async Task A_killed_postmaster_is_started_again_under_the_same_connection_string()
    {
        await using var folder = new LocalFolder();
        var host = await folder.StartAsync();
        var cluster = host.Clusters[0];
        var (killed, connection) = (cluster.ProcessId!.Value, cluster.ConnectionString);
        var watch = Stopwatch.StartNew();
        LocalFolder.Kill(killed);

        await LocalFolder.UntilAsync(
            "started again",
            () => cluster.ProcessId is { } p && p != killed && cluster.Entry.ProcessId == p
        );

        TestContext.Current.TestOutputHelper?.WriteLine($"started again after {watch.ElapsedMilliseconds} ms");
        Assert.Single(folder.Log.WithId(Died));
        Assert.Equal(connection, cluster.ConnectionString);
        Assert.Equal("1", await LocalFolder.AskAsync(connection, "SELECT 1"));
    }

    [Fact]
    public async Task A_lock_file_with_the_number_of_another_process_does_not_prevent_a_start()
    {
        await using var folder = new LocalFolder();
        var first = await folder.StartAsync();
        await first.DisposeAsync();
        // As after a power failure and a new boot: the number now belongs to something else, here to this test.
        var stale =
            $"{Environment.ProcessId}\n{folder.Cluster.Data}\n1700000000\n5432\n\n127.0.0.1\n       0         0\nready   \n";
        await File.WriteAllTextAsync(
            Postmaster.LockFile(folder.Cluster.Data),
            stale,
            TestContext.Current.CancellationToken
        );

        var host = await folder.StartAsync();

        Assert.Single(folder.Log.WithId(Stale));
        Assert.Empty(folder.Log.WithId(Adopted));
        Assert.Equal("1", await LocalFolder.AskAsync(host.Clusters[0].ConnectionString, "SELECT 1"));
    }

    [Fact]
    public async Task The_lock_file_of_another_cluster_that_runs_is_not_taken_for_ours()
    {
        await using var theirs = new LocalFolder();
        await using var ours = new LocalFolder();
        var other = await theirs.StartAsync();
        await (await ours.StartAsync()).DisposeAsync();
        var stale =
            $"{other.Clusters[0].ProcessId}\n{ours.Cluster.Data}\n1700000000\n{other.Clusters[0].Port}\n\n127.0.0.1\n";
        await File.WriteAllTextAsync(
            Postmaster.LockFile(ours.Cluster.Data),
            stale,
            TestContext.Current.CancellationToken
        );

        var host = await ours.StartAsync();

        Assert.NotEqual(other.Clusters[0].ProcessId, host.Clusters[0].ProcessId);
        Assert.NotNull(other.Clusters[0].ProcessId);
    }

    [Fact]
    public async Task A_port_in_use_gets_another_and_a_free_one_is_kept()
    {
        await using var folder = new LocalFolder();
        var first = await folder.StartAsync();
        var port = first.Clusters[0].Port;
        await first.DisposeAsync();
        using (var taken = new TcpListener(IPAddress.Loopback, port))
        {
            taken.Start();
            var second = await folder.StartAsync();
            Assert.NotEqual(port, second.Clusters[0].Port);
            Assert.Single(folder.Log.WithId(OtherPort));
            Assert.Equal("1", await LocalFolder.AskAsync(second.Clusters[0].ConnectionString, "SELECT 1"));
            port = second.Clusters[0].Port;
            await second.DisposeAsync();
        }

        var third = await folder.StartAsync();
        Assert.Equal(port, third.Clusters[0].Port);
        Assert.Single(folder.Log.WithId(OtherPort));
    }

    [Fact]
    public async Task A_long_data_folder_gets_a_short_socket_folder_which_goes_with_the_server()
    {
        var parent = Path.Combine(Path.GetTempPath(), "td-long-" + Path.GetRandomFileName(), new string('x', 120));
        Directory.CreateDirectory(parent);
        await using var folder = new LocalFolder(parent);
        var host = await folder.StartAsync();
        var socket = new NpgsqlConnectionStringBuilder(host.Clusters[0].ConnectionString).Host!;
        Assert.StartsWith(Path.GetTempPath(), socket, StringComparison.Ordinal);
        Assert.False(socket.StartsWith(folder.Path, StringComparison.Ordinal));
        Assert.Equal("1", await LocalFolder.AskAsync(host.Clusters[0].ConnectionString, "SELECT 1"));

        await host.DisposeAsync();
        Assert.False(Directory.Exists(socket));
        Directory.Delete(Path.GetDirectoryName(parent)!, recursive: true);
    }

    private static bool Lives(int process) =>
        File.Exists($"/proc/{process}/stat")
        && !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
}
