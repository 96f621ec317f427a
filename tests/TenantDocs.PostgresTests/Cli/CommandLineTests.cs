using System.Diagnostics;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Cli;
using TenantDocs.Documents;
using TenantDocs.Fleet;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Import;
using TenantDocs.PostgresTests.Isolation;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Cli;

public sealed class CommandLineTests(PlatformFixture fixture) : IClassFixture<PlatformFixture>
{
    // As many that an import of them is not over before it can be interrupted.
    private const int Files = 1500;

    private IDocumentRepository Documents => fixture.Platform.Get<IDocumentRepository>();

    [Fact]
    public async Task An_import_that_was_killed_goes_on_and_doubles_nothing()
    {
        var tenant = await fixture.Platform.NewTenantAsync(IsolationModel.Schema);
        using var folder = new ImportFolder().Many(Files, words: 20);
        string[] command = ["import", folder.Path, "--tenant", tenant.Slug, "--batch", "4", "-o", "json"];
        using var process = CommandRun.Start(fixture.Platform, command);
        var reading = CommandRun.EndAsync(process);
        while ((await UsageAsync(tenant)).Documents == 0 && !process.HasExited)
        {
            await Task.Yield();
        }

        process.Kill();
        var killed = await reading;
        await EndedAsync(tenant);
        var half = await UsageAsync(tenant);
        var resumed = await CommandRun.ProcessAsync(fixture.Platform, command);
        var whole = await UsageAsync(tenant);

        Assert.NotEqual(0, killed.ExitCode);
        Assert.InRange(half.Documents, 1, Files - 1);
        Assert.Equal(0, resumed.ExitCode);
        Assert.Equal(half.Documents, resumed.Json.GetProperty("unchanged").GetInt64());
        Assert.Equal((Files, Files, Files), (whole.Documents, whole.Versions, whole.Seq));
    }

    [Fact]
    public async Task A_signal_stops_an_import_with_130_and_words()
    {
        Assert.SkipWhen(IgnoresInterrupt(), "This run was started with SIGINT ignored, and so are its children.");
        var tenant = await fixture.Platform.NewTenantAsync(IsolationModel.Shared);
        using var folder = new ImportFolder().Many(Files, words: 20);
        using var process = CommandRun.Start(
            fixture.Platform,
            "import",
            folder.Path,
            "-t",
            tenant.Slug,
            "--batch",
            "2"
        );
        var reading = CommandRun.EndAsync(process);
        while ((await UsageAsync(tenant)).Documents == 0 && !process.HasExited)
        {
            await Task.Yield();
        }

        using (var kill = Process.Start("kill", ["-INT", $"{process.Id}"]))
        {
            await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        var stopped = await reading;

        Assert.Equal(ExitCode.Cancelled, stopped.ExitCode);
        Assert.Contains("run the same command again", stopped.Error, StringComparison.Ordinal);
    }

    // A server goes on with a batch that it has got from a client which is gone; the tenant's exclusive lock waits for that.
    private async Task EndedAsync(Tenant tenant)
    {
        await using var connection = await fixture.Platform.OpenAsync(tenant, SessionRole.Admin);
        await connection.ExecuteAsync($"SELECT pg_advisory_xact_lock(uuid_hash_extended('{tenant.Id}', 0))");
    }

    // A shell starts what it puts into the background with SIGINT ignored; children inherit that (signal(7)).
    private static bool IgnoresInterrupt() =>
        File.Exists("/proc/self/status")
        && File.ReadLines("/proc/self/status").FirstOrDefault(l => l.StartsWith("SigIgn:", StringComparison.Ordinal))
            is { } ignored
        && (Convert.ToUInt64(ignored[7..].Trim(), 16) & 0b10) != 0;

    [Fact]
    public async Task Skipped_files_make_the_exit_code_1_unless_that_is_accepted()
    {
        var tenant = await fixture.Platform.NewTenantAsync(IsolationModel.Shared);
        using var folder = new ImportFolder().Write("fine.md", "# Fine").Write("bad.md", [0xC3, 0x28]);
        var first = await CommandRun.HereAsync(fixture.Platform, "import", folder.Path, "--tenant", tenant.Slug);
        var accepted = await CommandRun.HereAsync(
            fixture.Platform,
            "import",
            folder.Path,
            "--tenant",
            tenant.Slug,
            "--skip-unreadable"
        );

        Assert.Equal(ExitCode.Failed, first.ExitCode);
        Assert.Contains("skipped: bad.md: It is not UTF-8", first.Error, StringComparison.Ordinal);
        Assert.Matches("created +1", first.Output);
        Assert.Equal(ExitCode.Done, accepted.ExitCode);
        Assert.Matches("unchanged +1", accepted.Output);
    }

    [Fact]
    public async Task Tenants_are_made_changed_and_removed_by_command_without_a_host()
    {
        var slug = $"c-{Guid.NewGuid():n}"[..20];
        var platform = fixture.Platform;
        var created = await CommandRun.ProcessAsync(
            platform,
            "tenant",
            "create",
            slug,
            "--isolation",
            "schema",
            "-o",
            "json"
        );
        Assert.True(created.ExitCode == 0, created.Error);
        Assert.Equal("active", created.Json.GetProperty("status").GetString());
        var twice = await CommandRun.ProcessAsync(platform, "tenant", "create", slug);
        Assert.Equal(
            (ExitCode.Failed, true),
            (twice.ExitCode, twice.Error.Contains("(duplicate)", StringComparison.Ordinal))
        );

        var suspended = await CommandRun.HereAsync(
            platform,
            "tenant",
            "suspend",
            slug,
            "--reason",
            "unpaid",
            "-o",
            "json"
        );
        Assert.Equal("suspended", suspended.Json.GetProperty("status").GetString());
        using var folder = new ImportFolder().Write("a.md", "# A");
        var refused = await CommandRun.HereAsync(platform, "import", folder.Path, "--tenant", slug);
        Assert.Equal(ExitCode.Failed, refused.ExitCode);
        Assert.Contains("suspended", refused.Error, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(0, (await CommandRun.HereAsync(platform, "tenant", "resume", slug)).ExitCode);
        Assert.Equal(0, (await CommandRun.HereAsync(platform, "import", folder.Path, "--tenant", slug)).ExitCode);

        var unconfirmed = await CommandRun.HereAsync(platform, "tenant", "delete", slug, "--confirm", "other");
        Assert.Equal(ExitCode.Usage, unconfirmed.ExitCode);
        var deleted = await CommandRun.HereAsync(platform, "tenant", "delete", slug, "--confirm", slug, "-o", "json");
        Assert.Equal("pendingDeletion", deleted.Json.GetProperty("status").GetString());
        var purged = await CommandRun.ProcessAsync(platform, "tenant", "purge", slug, "--confirm", slug, "-o", "json");
        Assert.True(purged.ExitCode == 0, purged.Error);
        Assert.Equal(ExitCode.Failed, (await CommandRun.HereAsync(platform, "tenant", "show", slug)).ExitCode);
    }

    [Fact]
    public async Task An_api_key_is_shown_once_listed_without_itself_and_revoked()
    {
        var platform = fixture.Platform;
        var tenant = await platform.NewTenantAsync(IsolationModel.Shared);
        var made = await CommandRun.HereAsync(platform, "tenant", "key", "create", tenant.Slug, "-o", "json");
        var key = made.Json.GetProperty("key").GetString()!;
        var id = made.Json.GetProperty("id").GetString()!;
        var listed = await CommandRun.HereAsync(platform, "tenant", "key", "list", tenant.Slug, "-o", "json");
        var revoked = await CommandRun.HereAsync(platform, "tenant", "key", "revoke", tenant.Slug, id);
        var again = await CommandRun.HereAsync(platform, "tenant", "key", "revoke", tenant.Slug, id);

        Assert.StartsWith("td_", key, StringComparison.Ordinal);
        Assert.DoesNotContain(key, listed.Output, StringComparison.Ordinal);
        Assert.Contains(id, listed.Output, StringComparison.Ordinal);
        Assert.Equal((0, 1), (revoked.ExitCode, again.ExitCode));
    }

    [Theory]
    [InlineData(IsolationModel.Shared)]
    [InlineData(IsolationModel.Schema)]
    [InlineData(IsolationModel.Database)]
    public async Task Psql_sees_exactly_what_the_tenant_sees_and_writes_nothing(IsolationModel model)
    {
        var platform = fixture.Platform;
        var (mine, other) = (await platform.NewTenantAsync(model), await platform.NewTenantAsync(model));
        using var folder = new ImportFolder().Write("a.md", "# A").Write("b.md", "# B");
        await CommandRun.HereAsync(platform, "import", folder.Path, "--tenant", mine.Slug);
        await CommandRun.HereAsync(platform, "import", folder.Path, "--tenant", other.Slug);
        var seen = await CommandRun.HereAsync(
            platform,
            "psql",
            mine.Slug,
            "-c",
            "SELECT 'n=' || count(*) FROM documents"
        );
        var user = await CommandRun.HereAsync(platform, "psql", mine.Slug, "-c", "SELECT current_user");
        var write = await CommandRun.HereAsync(platform, "psql", mine.Slug, "-c", "DELETE FROM documents");

        Assert.Contains("n=2", seen.Output, StringComparison.Ordinal);
        Assert.Contains("tenantdocs_app", user.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Failed, write.ExitCode);
        Assert.Equal(2, (await UsageAsync(mine)).Documents);
    }

    [Fact]
    public async Task Tables_have_one_plain_line_per_thing_and_json_has_all_of_it()
    {
        var tenant = await fixture.Platform.NewTenantAsync(IsolationModel.Shared);
        var table = await CommandRun.HereAsync(fixture.Platform, "tenant", "list", "--search", tenant.Slug);
        var json = await CommandRun.HereAsync(
            fixture.Platform,
            "tenant",
            "list",
            "--search",
            tenant.Slug,
            "-o",
            "json"
        );

        var lines = table.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        Assert.StartsWith("SLUG", lines[0], StringComparison.Ordinal);
        Assert.StartsWith(tenant.Slug, lines[1], StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', table.Output);
        Assert.Equal(tenant.Id.ToString(), json.Json[0].GetProperty("id").GetString());
    }

    [Fact]
    public async Task Status_servers_and_migrate_say_where_things_are()
    {
        var status = await CommandRun.HereAsync(fixture.Platform, "status", "-o", "json");
        var drained = await CommandRun.HereAsync(fixture.Platform, "server", "drain", "local-2", "-o", "json");
        var undone = await CommandRun.HereAsync(fixture.Platform, "server", "drain", "local-2", "--undo", "-o", "json");
        var migrated = await CommandRun.ProcessAsync(fixture.Platform, "migrate");

        Assert.Equal(2, status.Json.GetProperty("servers").GetArrayLength());
        Assert.True(drained.Json[0].GetProperty("draining").GetBoolean());
        Assert.False(undone.Json[0].GetProperty("draining").GetBoolean());
        Assert.True(migrated.ExitCode == 0, migrated.Error);
    }

    [Fact]
    public async Task The_doctor_finds_nothing_wrong_and_says_so_when_a_guard_is_off()
    {
        var platform = fixture.Platform;
        var tenant = await platform.NewTenantAsync(IsolationModel.Database);
        var healthy = await CommandRun.ProcessAsync(platform, "doctor", "-o", "json");
        await using (var connection = await platform.OpenAsync(tenant, SessionRole.Admin))
        {
            const string off = "ALTER TABLE tenant.documents NO FORCE ROW LEVEL SECURITY";
            await using var command = new NpgsqlCommand(off, connection);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        var ill = await CommandRun.ProcessAsync(platform, "doctor");
        await using (var connection = await platform.OpenAsync(tenant, SessionRole.Admin))
        {
            const string on = "ALTER TABLE tenant.documents FORCE ROW LEVEL SECURITY";
            await using var command = new NpgsqlCommand(on, connection);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        Assert.True(healthy.ExitCode == 0, healthy.Output + healthy.Error);
        Assert.True(healthy.Json.GetProperty("healthy").GetBoolean());
        Assert.Equal(ExitCode.Failed, ill.ExitCode);
        Assert.Contains("failed", ill.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_an_operator_changes_is_recorded_also_when_it_is_refused()
    {
        var platform = fixture.Platform;
        var tenant = await platform.NewTenantAsync(IsolationModel.Shared);
        await CommandRun.HereAsync(platform, "tenant", "suspend", tenant.Slug, "--reason", "unpaid");
        await CommandRun.HereAsync(platform, "tenant", "undelete", tenant.Slug);
        var recorded = (
            await platform.Get<StaffAudit>().ListAsync(null, 200, null, null, TestContext.Current.CancellationToken)
        ).Where(a => a.Target == $"/tenants/{tenant.Slug}");

        Assert.Equal(
            ["undeleteTenant invalid-state", "suspendTenant done"],
            recorded.Select(a => $"{a.Action} {a.Detail.GetProperty("outcome").GetString()}")
        );
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("import", "/tmp")] // no --tenant
    [InlineData("import", "/no/such/folder", "--tenant", "x")]
    [InlineData("import", "/tmp", "--tenant", "x", "--batch", "0")]
    [InlineData("tenant", "list", "--isolation", "planet")]
    [InlineData("tenant", "create", "Not A Slug")]
    public async Task A_wrong_command_line_is_2_and_does_nothing(params string[] args)
    {
        var run = await CommandRun.HereAsync(fixture.Platform, args);

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.StartsWith("error: ", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_said_in_words()
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var settings = new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1",
            Port = 1,
            Username = "x",
            Timeout = 2,
        };
        var code = await CommandLine.RunAsync(
            ["status", "--catalog", settings.ConnectionString],
            output,
            error,
            TestContext.Current.CancellationToken
        );

        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains("cannot be reached", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_nothing_runs_the_command_says_how_to_start_it()
    {
        using var folder = new ImportFolder();
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync(
            ["status", "--data-folder", folder.Path],
            output,
            error,
            TestContext.Current.CancellationToken
        );

        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains("dotnet run --project src/TenantDocs.Api", error.ToString(), StringComparison.Ordinal);
    }

    private Task<DocumentUsage> UsageAsync(Tenant tenant) =>
        Documents.ReadUsageAsync(tenant, TestContext.Current.CancellationToken);
}
