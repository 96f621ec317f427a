using System.Diagnostics;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;
using TenantDocs.Provisioning;

namespace TenantDocs.PostgresTests.Provisioning;

public sealed class KilledHostTests(PostgresFixture postgres)
{
    private static readonly CancellationToken Never = CancellationToken.None;

    [Fact]
    public async Task A_host_that_is_killed_in_the_middle_of_provisioning_is_succeeded_by_another_one()
    {
        var server = await postgres.ServerConnectionString(0);
        // This process only asks: the children are those that work.
        await using var platform = await Platform.StartAsync(
            server,
            [server],
            new Dictionary<string, string?> { ["Operations:Enabled"] = "false" }
        );
        Assert.True(TenantSlug.TryParse("orphaned", out var slug));
        var started = await platform
            .Get<TenantProvisioning>()
            .StartAsync(new NewTenant(slug, "Orphaned") { Isolation = IsolationModel.Shared }, "tests", Never);
        Assert.Null(started.Value.Completion);
        var tenant = (await platform.Get<TenantCatalog>().FindBySlugAsync("orphaned", Never))!;

        await using (var connection = await platform.OpenAsync(tenant, SessionRole.Admin))
        {
            // The tenant's lock stops the child between its state row and its fence.
            await using var transaction = await connection.BeginTransactionAsync(Never);
            await ExecuteAsync(connection, $"SELECT pg_advisory_xact_lock(uuid_hash_extended('{tenant.Id}', 0))");
            using var child = StartHost(platform, server);
            try
            {
                await UntilAsync(
                    async () =>
                        (
                            await Homes.ReadAsync(
                                platform,
                                tenant.Placement.Database,
                                """
                                SELECT pid::text FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                                """
                            )
                        ).Count > 0,
                    child
                );
            }
            finally
            {
                child.Kill();
                await child.WaitForExitAsync(Never);
            }
        }

        var found = (await platform.Get<OperationRequests>().FindAsync(started.Value.Operation.Id, Never))!;
        Assert.Equal((OperationStatus.Running, 0), (found.Status, found.Step));
        using var second = StartHost(platform, server);
        try
        {
            var ended = await platform
                .Get<OperationRequests>()
                .WaitAsync(started.Value, TimeSpan.FromMinutes(2), Never);
            Assert.Equal(OperationStatus.Succeeded, ended.Status);
        }
        finally
        {
            second.Kill();
            await second.WaitForExitAsync(Never);
        }

        var active = (await platform.Get<TenantCatalog>().FindBySlugAsync("orphaned", Never))!;
        Assert.Equal(TenantStatus.Active, active.Status);
        Assert.Equal(1, await Homes.WriteAsync(platform, active));
        Assert.Equal([Homes.NameOf(active)], await Homes.AllAsync(platform));
    }

    private static Process StartHost(Platform platform, string server)
    {
        var host = Path.Combine(AppContext.BaseDirectory, "TenantDocs.Api.dll");
        var child = new Process
        {
            StartInfo = new ProcessStartInfo("dotnet", [host])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment =
                {
                    ["ConnectionStrings__Catalog"] = server,
                    ["Catalog__DatabasePrefix"] = platform.Get<DatabaseNames>().Prefix,
                    ["Catalog__RoleSecret"] = Platform.RoleSecret,
                    ["Admin__BootstrapKey"] = "bootstrap-key-of-the-tests",
                    ["Operations__LeaseTime"] = "00:00:02",
                    ["Demo__Preset"] = "none",
                    ["Urls"] = "http://127.0.0.1:0",
                },
            },
        };
        child.Start();
        child.BeginOutputReadLine(); // a full pipe would stop it
        child.BeginErrorReadLine();
        return child;
    }

    private static async Task UntilAsync(Func<Task<bool>> isSo, Process child)
    {
        var limit = Stopwatch.StartNew();
        while (!await isSo())
        {
            Assert.False(child.HasExited, "the child host ended by itself");
            Assert.True(limit.Elapsed < TimeSpan.FromMinutes(2), "the child host did not get on");
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
