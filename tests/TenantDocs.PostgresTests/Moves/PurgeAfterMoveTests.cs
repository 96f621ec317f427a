using TenantDocs.Catalog;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;
using TenantDocs.Provisioning;

namespace TenantDocs.PostgresTests.Moves;

public sealed class PurgeAfterMoveTests(PostgresFixture postgres) : MoveSetting(postgres)
{
    private static readonly CancellationToken Never = CancellationToken.None;

    // Nobody looks at what is kept before the purge says so.
    protected override IReadOnlyDictionary<string, string?> Settings =>
        new Dictionary<string, string?>(base.Settings) { ["Moves:ReturnInterval"] = "00:10:00" };

    [Fact]
    public async Task A_purge_is_certified_only_when_the_home_that_a_move_left_is_gone_too()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Schema, server: First);
        var move = await MoveAsync(
            tenant,
            new MoveRequest { Isolation = IsolationModel.Shared, KeepSourceFor = TimeSpan.FromHours(1) }
        );
        Succeeded(move);
        // The control: until then it is kept.
        Assert.NotNull(await FenceAsync(tenant.Placement, tenant.Id));
        Assert.Contains(tenant.Placement.Schema.Name, await SchemasAsync());
        var lifecycle = Platform.Get<TenantLifecycle>();
        Assert.Null((await lifecycle.DeleteAsync(tenant.Slug, Never)).Error);

        var started = await lifecycle.PurgeAsync(tenant.Slug, "tests", Never);
        var purge = await EndAsync(started.Value.Operation.Id);

        Succeeded(purge);
        Assert.DoesNotContain(tenant.Placement.Schema.Name, await SchemasAsync());
        var certificate = purge.Result!.Value;
        Assert.True(PurgeCertificate.IsGenuine(certificate));
        var left = certificate.GetProperty("leftHomes").EnumerateArray().Single();
        Assert.Equal(
            ("schema", First, tenant.Placement.Schema.Name, 1),
            (
                left.GetProperty("isolation").GetString(),
                left.GetProperty("server").GetString(),
                left.GetProperty("schema").GetString(),
                left.GetProperty("epoch").GetInt64()
            )
        );
        Assert.Equal("shared", certificate.GetProperty("placement").GetProperty("isolation").GetString());
        await NothingLeaksAsync();
    }

    [Fact]
    public async Task A_keeping_that_failed_before_the_purge_holds_it_back_until_what_it_left_is_cleaned()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Schema, server: First);
        Succeeded(
            await MoveAsync(
                tenant,
                new MoveRequest { Isolation = IsolationModel.Shared, KeepSourceFor = TimeSpan.FromHours(1) }
            )
        );
        await ExecuteAsync(
            "UPDATE operations SET status = 'failed', finished_at = now() WHERE type = 'moveRetention' AND tenant_id = $1",
            tenant.Id
        );
        var lifecycle = Platform.Get<TenantLifecycle>();
        Assert.Null((await lifecycle.DeleteAsync(tenant.Slug, Never)).Error);

        var early = await lifecycle.PurgeAsync(tenant.Slug, "tests", Never);
        var refused = await EndAsync(early.Value.Operation.Id);

        Assert.Equal(OperationStatus.Failed, refused.Status);
        Assert.Contains("could not be removed yet", refused.Problem.ToString());
        Assert.Contains(tenant.Placement.Schema.Name, await SchemasAsync());

        // The control: with nothing left over, the same purge goes through.
        await ExecuteAsync(
            """
            UPDATE operation_objects AS j SET settled_at = now(), outcome = 'removed' FROM operations AS o
             WHERE o.id = j.operation_id AND o.type = 'moveRetention' AND o.tenant_id = $1
            """,
            tenant.Id
        );
        var later = await lifecycle.PurgeAsync(tenant.Slug, "tests", Never);
        Succeeded(await EndAsync(later.Value.Operation.Id));
    }

    private async Task ExecuteAsync(string sql, TenantId tenant)
    {
        await using var command = Platform.Catalog.Source.CreateCommand(sql);
        command.Parameters.Add(TenantDocs.Isolation.SqlValue.Of(tenant.Value));
        Assert.NotEqual(0, await command.ExecuteNonQueryAsync(Never));
    }

    private Task<List<string>> SchemasAsync() =>
        ListAsync(
            First,
            Platform.Get<TenantDocs.Database.DatabaseNames>().SchemaDatabase.Name,
            "SELECT nspname::text FROM pg_namespace"
        );
}
