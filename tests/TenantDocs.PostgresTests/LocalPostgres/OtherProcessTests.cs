using System.Diagnostics;
using System.Runtime.Versioning;
using TenantDocs.LocalPostgres;

namespace TenantDocs.PostgresTests.LocalPostgres;

/// <summary>Hosts in processes of their own: one that is killed, and one that is not root.</summary>
[UnsupportedOSPlatform("windows")]
public class OtherProcessTests
{
    private const string FolderVariable = "TENANTDOCS_TEST_HOST_FOLDER";

    [Fact(Explicit = true)]
    public async Task Host_that_waits_for_its_end()
    {
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 },
            "Started by the other tests here."
        );
        var options = new LocalPostgresOptions
        {
            DataFolder = Environment.GetEnvironmentVariable(FolderVariable)!,
            Clusters = { "one" },
            Fast = true,
            BinFolder = Environment.GetEnvironmentVariable("TENANTDOCS_TEST_BINFOLDER"),
        };
        await using var host = await LocalPostgresClusters.StartAsync(
            options,
            new LogLines(),
            TimeProvider.System,
            TestContext.Current.CancellationToken
        );
        await LocalFolder.UntilAsync("told to end", () => File.Exists(Path.Combine(options.DataFolder, "end")));
    }

    [Fact]
    public async Task The_cluster_of_a_killed_host_runs_on_and_is_adopted_and_stopped_by_the_next()
    {
        await using var folder = new LocalFolder();
        using var host = Run(folder.Path, []);
        await LocalFolder.UntilAsync(
            "the other host's cluster",
            () => LocalPostgresState.TryRead(folder.Path) is not null
        );
        var left = Assert.Single(LocalPostgresState.TryRead(folder.Path)!.Clusters);
        host.Kill();
        await host.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(left.Runs());

        var next = await folder.StartAsync();

        Assert.Equal(left.ProcessId, next.Clusters[0].ProcessId);
        Assert.Equal(left.ConnectionString, next.Clusters[0].ConnectionString);
        await next.DisposeAsync();
        Assert.False(left.Runs());
    }

    [Fact]
    public async Task A_host_that_is_not_root_runs_PostgreSQL_as_itself()
    {
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess,
            "Only root can become another user."
        );
        Assert.SkipWhen(Programs.Find("setpriv") is null, "setpriv is missing.");
        await using var folder = new LocalFolder();
        Directory.CreateDirectory(folder.Path);
        File.SetUnixFileMode(folder.Path, (UnixFileMode)0b111_111_111);
        var mine = Path.Combine(folder.Path, "mine");
        using var host = Run(mine, [Programs.Find("setpriv")!, "--reuid=nobody", "--clear-groups", "--"]);
        await LocalFolder.UntilAsync(
            "nobody's cluster",
            () => LocalPostgresState.TryRead(mine) is not null || host.HasExited
        );
        Assert.False(
            host.HasExited,
            "The host ended: "
                + (
                    host.HasExited
                        ? await host.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)
                        : ""
                )
        );

        var cluster = Assert.Single(LocalPostgresState.TryRead(mine)!.Clusters);
        Assert.Equal(UserOf(host.Id), UserOf(cluster.ProcessId!.Value));
        Assert.NotEqual("0", UserOf(cluster.ProcessId!.Value));
        Assert.Equal("1", await LocalFolder.AskAsync(cluster.ConnectionString, "SELECT 1"));

        await File.WriteAllTextAsync(Path.Combine(mine, "end"), "", TestContext.Current.CancellationToken);
        await host.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.False(cluster.Runs());
    }

    [Fact]
    public async Task Root_keeps_clusters_elsewhere_when_the_unprivileged_user_cannot_reach_the_data_folder()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "Concerns root.");
        // Made by .NET with mode 0700.
        var closed = Directory.CreateTempSubdirectory("td-closed-").FullName;
        await using var folder = new LocalFolder(closed);
        var host = await folder.StartAsync();
        var elsewhere = Path.GetDirectoryName(Path.GetDirectoryName(host.Clusters[0].DataDirectory))!;
        try
        {
            Assert.False(elsewhere.StartsWith(folder.Path, StringComparison.Ordinal));
            Assert.Contains(elsewhere, Assert.Single(folder.Log.WithId(8011)), StringComparison.Ordinal);
            Assert.Equal("1", await LocalFolder.AskAsync(host.Clusters[0].ConnectionString, "SELECT 1"));
            Assert.True(Assert.Single(LocalPostgresState.TryRead(folder.Path)!.Clusters).Runs());
            await host.DisposeAsync();

            // When the way is opened later, the clusters are still found where they are.
            File.SetUnixFileMode(closed, PrivateFile.PassableFolder);
            Assert.Equal(host.Clusters[0].DataDirectory, (await folder.StartAsync()).Clusters[0].DataDirectory);
        }
        finally
        {
            await folder.DisposeAsync();
            Directory.Delete(elsewhere, recursive: true);
            Directory.Delete(closed, recursive: true);
        }
    }

    private static Process Run(string dataFolder, string[] prefix)
    {
        var dotnet = Programs.Find("dotnet");
        Assert.SkipWhen(dotnet is null, "dotnet is not on PATH.");
        string[] all =
        [
            .. prefix,
            dotnet!,
            "exec",
            typeof(OtherProcessTests).Assembly.Location,
            "-method",
            $"{typeof(OtherProcessTests).FullName}.{nameof(Host_that_waits_for_its_end)}",
            "-explicit",
            "only",
        ];
        var start = new ProcessStartInfo(all[0], all[1..]) { RedirectStandardOutput = true, WorkingDirectory = "/" };
        start.Environment[FolderVariable] = dataFolder;
        return Process.Start(start)!;
    }

    private static string UserOf(int process) =>
        File.ReadLines($"/proc/{process}/status")
            .First(l => l.StartsWith("Uid:", StringComparison.Ordinal))
            .Split('\t')[1];
}
