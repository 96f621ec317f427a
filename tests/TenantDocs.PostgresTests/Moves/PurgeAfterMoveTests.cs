using TenantDocs.Catalog;
using TenantDocs.Moves;
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

    private Task<List<string>> SchemasAsync() =>
        ListAsync(
            First,
            Platform.Get<TenantDocs.Database.DatabaseNames>().SchemaDatabase.Name,
            "SELECT nspname::text FROM pg_namespace"
        );
}
