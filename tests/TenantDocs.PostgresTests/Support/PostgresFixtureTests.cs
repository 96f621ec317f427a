using TenantDocs.PostgresTests.LocalPostgres;

namespace TenantDocs.PostgresTests.Support;

public class PostgresFixtureTests(PostgresFixture postgres)
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_server_of_the_run_has_what_the_platform_needs(int index)
    {
        var server = await postgres.ServerConnectionString(index);
        Assert.Equal("logical", await LocalFolder.AskAsync(server, "SHOW wal_level"));
        Assert.Equal(
            "True",
            await LocalFolder.AskAsync(server, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        );
        Assert.True(int.Parse(await LocalFolder.AskAsync(server, "SHOW server_version_num"), null) >= 150_000);
    }
}
