using System.Text.RegularExpressions;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>What plans and buffers tell: a foreign value that exists must cost what a value costs that does not.</summary>
[Collection(nameof(AttackGround))]
public sealed partial class SideChannelAttackTests(AttackGround ground)
{
    public static TheoryData<string> Lookups =>
        [
            "SELECT title FROM documents WHERE id = $1::uuid",
            "SELECT title FROM documents WHERE tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid AND id = $1::uuid",
            "SELECT document_id FROM document_tags WHERE tag = $1",
            "SELECT version FROM document_versions WHERE document_id = $1::uuid",
            "SELECT title FROM documents WHERE title COLLATE \"C\" = $1 AND deleted_at IS NULL",
            "SELECT status FROM idempotency_keys WHERE key = $1",
        ];

    [Theory, MemberData(nameof(Lookups))]
    [Trait("Category", "Negative")]
    public async Task Attack_22_A_foreign_value_costs_what_a_missing_one_costs(string lookup)
    {
        var victim = await ground.Platform.PlaceAsync(IsolationModel.Shared);
        var attacker = await ground.Platform.PlaceAsync(IsolationModel.Shared);
        var secret = Guid.CreateVersion7();
        await FillAsync(victim, secret);
        await FillAsync(attacker, null);
        // The wall would otherwise be judged by what it has learned of a table of a few rows.
        await using (var admin = await ground.Platform.OpenAsync(victim, SessionRole.Admin))
        {
            await admin.ExecuteAsync("VACUUM ANALYZE shared.documents, shared.document_tags");
        }

        await using var session = await ground.IntrudeAsync(attacker, victim);
        await PlanAsync(secret.ToString()); // warms the caches
        var foreign = await PlanAsync(secret.ToString());
        var missing = await PlanAsync(Guid.CreateVersion7().ToString());
        Assert.Equal(missing, foreign);

        await using var owner = await ground.IntrudeAsync(victim, victim);
        Assert.NotEqual(0, await RowsAsync());

        async Task<string> PlanAsync(string value)
        {
            var plan = await session.LinesAsync(
                $"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) {lookup}",
                SqlValue.Of(value)
            );
            return Value().Replace(string.Join('\n', plan), "?");
        }

        async Task<int> RowsAsync() =>
            (await owner.LinesAsync($"SELECT 'x' FROM ({lookup}) AS found", SqlValue.Of(secret.ToString()))).Count;
    }

    [Fact]
    [Trait("Category", "Negative")]
    public async Task Statistics_of_foreign_values_cannot_be_read()
    {
        var (victim, attacker) = await ground.PairAsync(IsolationModel.Shared);
        await ground.WriteAsync(victim, "statistics");
        await using var admin = await ground.Platform.OpenAsync(victim, SessionRole.Admin);
        await admin.ExecuteAsync("ANALYZE shared.documents");
        const string Statistics =
            "SELECT count(*) FROM pg_stats WHERE schemaname = 'shared' AND tablename = 'documents'";
        Assert.NotEqual(0, await admin.AskAsync<long>(Statistics));

        await using var session = await ground.IntrudeAsync(attacker, victim);
        Assert.Equal(0, await session.AskAsync<long>(Statistics));
    }

    private async Task FillAsync(Tenant tenant, Guid? secret)
    {
        await using var session = await ground.IntrudeAsync(tenant, tenant);
        await session.ExecuteAsync(
            """
            INSERT INTO documents (tenant_id, id, title, body, content_type, status, tags, metadata, language, bytes, version,
                                   created_at, created_by, updated_at, updated_by)
            SELECT $1, gen_random_uuid(), 'title ' || n, 'b', 'text/plain', 'draft', '{}', '{}', 'english', 1, 1, now(), 't', now(), 't'
              FROM generate_series(1, 300) AS n
            """,
            SqlValue.Of(tenant.Id.Value)
        );
        if (secret is not { } id)
        {
            return;
        }

        await session.ExecuteAsync(
            AttackGround.InsertDocument,
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(id),
            SqlValue.Of(id.ToString())
        );
        foreach (
            var sql in new[]
            {
                "INSERT INTO document_tags (tenant_id, tag, document_id) VALUES ($1, $2::text, $2::uuid)",
                "INSERT INTO document_versions (tenant_id, document_id, version, change, title, body, content_type, status, tags, metadata, updated_at, updated_by) VALUES ($1, $2::uuid, 1, 'created', 't', 'b', 'text/plain', 'draft', '{}', '{}', now(), 't')",
                "INSERT INTO idempotency_keys (tenant_id, key, request_hash, status, created_at) VALUES ($1, $2::text, '', 200, now())",
            }
        )
        {
            await session.ExecuteAsync(sql, SqlValue.Of(tenant.Id.Value), SqlValue.Of(id.ToString()));
        }

        await session.ExecuteAsync("COMMIT");
    }

    // The value itself is printed in the plan.
    [GeneratedRegex("'[^']*'")]
    private static partial Regex Value();
}
