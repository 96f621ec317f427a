using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Isolation;

namespace TenantDocs.PostgresTests.Behaviour;

/// <summary>Facts about row-level security that the tables and the audited search function lean on.</summary>
[Collection(nameof(AttackGround))]
public sealed class RowSecurityTests(AttackGround ground)
{
    /// <summary>
    /// Relied on by documents_search and the tables: the primary key, tags and byte-ordered titles keep their index under the policy;
    /// full text, LIKE, arrays do not, which is why search_documents is a function with a policy of its own.
    /// </summary>
    [Theory]
    [InlineData("id = gen_random_uuid()", true)]
    [InlineData("body_n = 7", true)]
    [InlineData("label = 'x7'", true)]
    [InlineData("(label, id) > ('x7', '00000000-0000-0000-0000-000000000000')", true)]
    [InlineData("starts_with(label, 'x77')", true)]
    [InlineData("label LIKE 'x77%'", false)]
    [InlineData("label ILIKE 'x77'", false)]
    [InlineData("tags @> ARRAY['x7']", false)]
    [InlineData("tags && ARRAY['x7']", false)]
    [InlineData("doc @> '{\"a\": 7}'", false)]
    [InlineData("search @@ to_tsquery('simple', 'x7')", false)]
    [InlineData("lower(label) = 'x7'", false)]
    [InlineData("amount = 7", false)]
    public async Task Under_a_policy_only_leakproof_operators_keep_their_index(string condition, bool kept)
    {
        await using var admin = await AdminAsync();
        await admin.ExecuteAsync(
            """
            SET LOCAL enable_seqscan = off;
            CREATE TABLE wide (tenant_id uuid NOT NULL, id uuid NOT NULL, label text COLLATE "C", body_n int, amount numeric, tags text[],
                               doc jsonb, search tsvector);
            CREATE INDEX ON wide (tenant_id, id);
            CREATE INDEX ON wide (tenant_id, label, id);
            CREATE INDEX ON wide (tenant_id, body_n);
            CREATE INDEX ON wide (tenant_id, amount);
            CREATE INDEX ON wide (tenant_id, lower(label));
            CREATE INDEX ON wide USING gin (tenant_id tenantdocs.uuid_ops, tags);
            CREATE INDEX ON wide USING gin (tenant_id tenantdocs.uuid_ops, doc);
            CREATE INDEX ON wide USING gin (tenant_id tenantdocs.uuid_ops, search);
            INSERT INTO wide SELECT ('00000000-0000-0000-0000-00000000000' || n % 3)::uuid, gen_random_uuid(), 'x' || n, n, n, ARRAY['x' || n],
                   jsonb_build_object('a', n), to_tsvector('simple', 'x' || n) FROM generate_series(1, 3000) AS n;
            ANALYZE wide;
            ALTER TABLE wide ENABLE ROW LEVEL SECURITY;
            CREATE POLICY tenant_isolation ON wide USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
            GRANT SELECT ON wide TO tenantdocs_app;
            SELECT set_config('app.current_tenant', '00000000-0000-0000-0000-000000000001', true);
            """
        );
        var explain = $"EXPLAIN (COSTS OFF) SELECT id FROM wide WHERE {condition}";
        await admin.ExecuteAsync("SET LOCAL ROLE tenantdocs_app");
        var plan = string.Join('\n', await admin.LinesAsync(explain));
        // Kept: the condition is judged in the index. Lost: row by row, after the policy.
        var column = condition.Split(' ', '(', ',').First(w => w is not ("" or "starts_with" or "lower"));
        var judged = plan.Split('\n').Where(l => l.Contains("Index Cond", StringComparison.Ordinal));
        Assert.Equal(kept, judged.Any(l => l.Contains(column, StringComparison.Ordinal)));
    }

    /// <summary>Why migrations that change rows run per tenant or as a role that is not subject to the policies.</summary>
    [Fact]
    public async Task The_owner_changes_no_row_under_FORCE_and_gets_no_error()
    {
        var (tenant, _) = await ground.PairAsync(IsolationModel.Shared);
        var id = await ground.WriteAsync(tenant);
        await using var admin = await AdminAsync();
        var sql = $"UPDATE documents SET title = 'backfilled' WHERE id = '{id}'";
        await admin.ExecuteAsync("SET LOCAL ROLE tenantdocs_owner");
        Assert.Equal(0, await admin.ExecuteAsync(sql));
        await admin.ExecuteAsync("RESET ROLE"); // the superuser, who is above policies
        Assert.Equal(1, await admin.ExecuteAsync(sql));
    }

    /// <summary>
    /// Relied on by DELETE of a document: versions and tags, on which the request role has no DELETE, go with it, since a cascade runs
    /// as the owner and past FORCE. Hence every foreign key carries tenant_id.
    /// </summary>
    [Fact]
    public async Task A_cascade_runs_as_the_owner_and_past_every_policy()
    {
        await using var admin = await AdminAsync();
        await admin.ExecuteAsync(
            """
            SET LOCAL ROLE tenantdocs_owner;
            CREATE TABLE parent (tenant_id uuid, id int UNIQUE);
            CREATE TABLE child (tenant_id uuid, id int, parent_id int REFERENCES parent (id) ON DELETE CASCADE);
            INSERT INTO parent VALUES ('00000000-0000-0000-0000-00000000000a', 1);
            INSERT INTO child VALUES ('00000000-0000-0000-0000-00000000000b', 1, 1);
            ALTER TABLE parent ENABLE ROW LEVEL SECURITY;
            ALTER TABLE child ENABLE ROW LEVEL SECURITY;
            ALTER TABLE child FORCE ROW LEVEL SECURITY;
            CREATE POLICY p ON parent USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
            CREATE POLICY p ON child USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
            GRANT SELECT, DELETE ON parent TO tenantdocs_app;
            GRANT SELECT ON child TO tenantdocs_app;
            RESET ROLE;
            SELECT set_config('app.current_tenant', '00000000-0000-0000-0000-00000000000a', true);
            """
        );
        Assert.Equal(1, await admin.AskAsync<long>("SELECT count(*) FROM child"));
        await admin.ExecuteAsync("SET LOCAL ROLE tenantdocs_app");
        Assert.Equal(0, await admin.AskAsync<long>("SELECT count(*) FROM child"));
        Assert.Equal(1, await admin.ExecuteAsync("DELETE FROM parent"));
        await admin.ExecuteAsync("RESET ROLE");
        Assert.Equal(0, await admin.AskAsync<long>("SELECT count(*) FROM child")); // another tenant's row
    }

    /// <summary>Why every unique key starts with tenant_id (the self-test checks it).</summary>
    [Fact]
    public async Task A_unique_key_without_the_tenant_tells_that_a_foreign_row_exists()
    {
        await using var admin = await AdminAsync();
        await admin.ExecuteAsync(
            """
            CREATE TABLE names (tenant_id uuid, name text UNIQUE);
            INSERT INTO names VALUES ('00000000-0000-0000-0000-00000000000b', 'taken');
            ALTER TABLE names ENABLE ROW LEVEL SECURITY;
            CREATE POLICY p ON names USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
            GRANT SELECT, INSERT ON names TO tenantdocs_app;
            SELECT set_config('app.current_tenant', '00000000-0000-0000-0000-00000000000a', true);
            SET LOCAL ROLE tenantdocs_app;
            """
        );
        Assert.Equal(0, await admin.AskAsync<long>("SELECT count(*) FROM names"));
        var refusal = await admin.RefusedAsync(
            PostgresErrorCodes.UniqueViolation,
            "INSERT INTO names VALUES ('00000000-0000-0000-0000-00000000000a', 'taken')"
        );
        Assert.Null(refusal.Detail);
    }

    /// <summary>Why tenant tables have neither definer views nor materialized views (the self-test refuses both).</summary>
    [Fact]
    public async Task Views_of_an_owner_and_materialized_views_know_no_policy_and_invoker_views_do()
    {
        var (victim, attacker) = await ground.PairAsync(IsolationModel.Shared);
        var id = await ground.WriteAsync(victim);
        await using var admin = await AdminAsync();
        await admin.ExecuteAsync(
            """
            CREATE VIEW as_owner AS SELECT * FROM documents;
            CREATE VIEW as_invoker WITH (security_invoker = true) AS SELECT * FROM documents;
            CREATE MATERIALIZED VIEW copied AS SELECT * FROM documents;
            GRANT SELECT ON as_owner, as_invoker, copied TO tenantdocs_app;
            """
        );
        await admin.ExecuteAsync(
            "SELECT set_config('app.current_tenant', $1, true)",
            SqlValue.Of(attacker.Id.ToString())
        );
        await admin.ExecuteAsync("SET LOCAL ROLE tenantdocs_app");
        foreach (var (view, rows) in new[] { ("as_owner", 1), ("copied", 1), ("as_invoker", 0) })
        {
            Assert.Equal(
                (view, rows),
                (view, await admin.AskAsync<long>($"SELECT count(*) FROM {view} WHERE id = $1", SqlValue.Of(id)))
            );
        }
    }

    /// <summary>Relied on by PublicationRows of a move and by every key: a row filter must be covered by the replica identity.</summary>
    [Fact]
    public async Task A_row_filter_on_a_key_without_the_tenant_stops_everybodys_updates()
    {
        await using var admin = await AdminAsync();
        await admin.ExecuteAsync(
            """
            CREATE TABLE good (tenant_id int, id int, n int, PRIMARY KEY (tenant_id, id));
            CREATE TABLE bad (tenant_id int, id int PRIMARY KEY, n int);
            INSERT INTO good VALUES (1, 1, 0);
            INSERT INTO bad VALUES (1, 1, 0);
            CREATE PUBLICATION one_tenant FOR TABLE good WHERE (tenant_id = 7), bad WHERE (tenant_id = 7);
            """
        );
        Assert.Equal(1, await admin.ExecuteAsync("UPDATE good SET n = 1"));
        await admin.RefusedAsync(PostgresErrorCodes.InvalidColumnReference, "UPDATE bad SET n = 1");
    }

    // In a transaction that nobody commits.
    private async Task<NpgsqlConnection> AdminAsync()
    {
        var (tenant, _) = await ground.PairAsync(IsolationModel.Shared);
        var admin = await ground.Platform.OpenAsync(tenant, SessionRole.Admin);
        await admin.ExecuteAsync("BEGIN; SET LOCAL search_path = shared");
        return admin;
    }
}
