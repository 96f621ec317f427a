using Microsoft.Extensions.Logging.Abstractions;
using TenantDocs.LocalPostgres;

namespace TenantDocs.PostgresTests.LocalPostgres;

public class FailureTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Missing_binaries_are_explained_with_what_was_searched_and_what_to_install()
    {
        await using var folder = new LocalFolder();
        var error = await Assert.ThrowsAsync<LocalPostgresException>(() =>
            Search(folder, path: "").FindAsync("x", null, Cancel)
        );
        Assert.Contains("apt install postgresql", error.Message, StringComparison.Ordinal);
        Assert.Contains("dnf install postgresql-server", error.Message, StringComparison.Ordinal);
        Assert.Contains("brew install postgresql", error.Message, StringComparison.Ordinal);
        Assert.Contains("npm is not on PATH", error.Message, StringComparison.Ordinal);
        Assert.Contains("LocalPostgres:BinFolder", error.Message, StringComparison.Ordinal);

        // The same search finds them when they are on PATH.
        var bin = (await ServersOwnSearch().FindAsync("x", null, Cancel)).Folder;
        Assert.Equal(bin, (await Search(folder, path: bin).FindAsync("x", null, Cancel)).Folder);
    }

    [Theory]
    [InlineData("postgres (PostgreSQL) 14.9 (Debian 14.9-1)", null, "older than 15")]
    [InlineData("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)", "15.13", null)]
    [InlineData("postgres (PostgreSQL) 18.4", "18.4", null)]
    [InlineData("postgres (PostgreSQL) 19devel", "19.0", null)]
    [InlineData("cannot execute binary file", null, "postgres --version failed")]
    public async Task A_version_before_15_is_refused_in_words(string says, string? version, string? why)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Uses a shell script.");
        await using var folder = new LocalFolder();
        var bin = Fake(folder, $"echo '{says}'");
        if (version is not null)
        {
            Assert.Equal(Version.Parse(version), (await Search(folder, bin).FindAsync("x", null, Cancel)).Version);
            return;
        }

        var error = await Assert.ThrowsAsync<LocalPostgresException>(() => folder.StartAsync(folder.Options(bin)));
        Assert.Contains(why!, error.Message, StringComparison.Ordinal);
        Assert.Contains(bin, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cluster_of_another_major_version_is_not_opened_with_these_binaries()
    {
        await using var folder = new LocalFolder();
        var bin = Fake(folder, "echo 'postgres (PostgreSQL) 16.2'");
        var error = await Assert.ThrowsAsync<LocalPostgresException>(() =>
            Search(folder, bin).FindAsync("/made", 15, Cancel)
        );
        Assert.Contains("/made was made by PostgreSQL 15", error.Message, StringComparison.Ordinal);
        Assert.Equal(16, (await Search(folder, bin).FindAsync("/made", 16, Cancel)).Version.Major);
    }

    [Fact]
    public async Task What_initdb_says_is_shown_and_no_half_cluster_stays()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Uses a shell script.");
        await using var folder = new LocalFolder();
        var bin = Fake(
            folder,
            "case $0 in *initdb) echo 'initdb: error: the moon is full' >&2; exit 1;; esac; echo '(PostgreSQL) 15.1'"
        );
        var error = await Assert.ThrowsAsync<LocalPostgresException>(() => folder.StartAsync(folder.Options(bin)));
        Assert.Contains("the moon is full", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.Cluster.Data) || Directory.Exists(folder.Cluster.Unfinished));

        Assert.NotNull((await folder.StartAsync()).Clusters[0].ProcessId);
    }

    [Fact]
    public async Task A_setting_that_the_server_refuses_is_shown_and_the_data_kept()
    {
        await using var folder = new LocalFolder();
        await (await folder.StartAsync()).DisposeAsync();
        var options = folder.Options();
        options.Settings["work_mem"] = "much";
        var error = await Assert.ThrowsAsync<LocalPostgresException>(() => folder.StartAsync(options));
        Assert.Contains("work_mem", error.Message, StringComparison.Ordinal);
        Assert.Contains("The data was kept", error.Message, StringComparison.Ordinal);

        Assert.NotNull((await folder.StartAsync()).Clusters[0].ProcessId);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_made_is_named_with_what_to_do()
    {
        await using var folder = new LocalFolder(Path.GetTempFileName());
        var error = await Assert.ThrowsAsync<LocalPostgresException>(() => folder.StartAsync());
        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);
        Assert.Contains("LocalPostgres:DataFolder", error.Message, StringComparison.Ordinal);
        File.Delete(Path.GetDirectoryName(folder.Path)!);
    }

    [Fact]
    public void A_full_disk_is_called_a_full_disk_and_another_failure_is_not()
    {
        const string Full = "initdb: error: could not write to file \"x\": No space left on device";
        Assert.Contains("is full", Failure.InitdbFailed("/tmp", Full).Message, StringComparison.Ordinal);
        Assert.Contains("is full", Failure.StartFailed("/tmp", "/tmp", Full).Message, StringComparison.Ordinal);
        Assert.Contains("is full", Failure.Folder("/tmp", new IOException(Full)).Message, StringComparison.Ordinal);
        Assert.DoesNotContain(
            "is full",
            Failure.StartFailed("/tmp", "/tmp", "FATAL: other").Message,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("../up", "work_mem", "1MB", false)]
    [InlineData("one", "port", "5432", false)]
    [InlineData("one", "work_mem", "1MB\nport = 5432", false)]
    [InlineData("one", "work mem", "1MB", false)]
    [InlineData("one", "work_mem", "1MB", true)]
    public async Task Options_are_checked_before_anything_is_touched(
        string name,
        string setting,
        string value,
        bool good
    )
    {
        await using var folder = new LocalFolder();
        var options = folder.Options();
        options.Clusters[0] = name;
        options.Settings[setting] = value;
        Assert.Equal(good, options.Problems().Count == 0);
        if (!good)
        {
            await Assert.ThrowsAsync<LocalPostgresException>(() => folder.StartAsync(options));
            Assert.False(Directory.Exists(folder.Path));
        }
    }

    private static PostgresSearch Search(LocalFolder folder, string path) =>
        new(ServerUser.Current(), Path.Combine(folder.Path, "npm"), NullLogger.Instance)
        {
            SearchPath = path,
            UsualFolders = [],
        };

    private static PostgresSearch ServersOwnSearch() =>
        new(ServerUser.Current(), Path.GetTempPath(), NullLogger.Instance)
        {
            BinFolder = Environment.GetEnvironmentVariable("TENANTDOCS_TEST_BINFOLDER") is { Length: > 0 } chosen
                ? chosen
                : null,
        };

    private static string Fake(LocalFolder folder, string script)
    {
        var bin = Path.Combine(folder.Path, "bin");
        Directory.CreateDirectory(bin);
        foreach (var program in new[] { "postgres", "initdb", "pg_ctl" })
        {
            var file = Path.Combine(bin, program);
            File.WriteAllText(file, "#!/bin/sh\n" + script + "\n");
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(
                    file,
                    PrivateFile.PassableFolder | UnixFileMode.GroupRead | UnixFileMode.OtherRead
                );
            }
        }

        return bin;
    }
}
