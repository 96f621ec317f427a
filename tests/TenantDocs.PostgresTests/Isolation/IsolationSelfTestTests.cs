using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>
/// Attack 17: holes are made in a healthy database, in a transaction that is rolled back, and the self-test must name each one. Faults of
/// roles are made on roles of the test's own: the platform's serve other tests at the same time.
/// </summary>
[Collection(nameof(AttackGround))]
public sealed class IsolationSelfTestTests(AttackGround ground)
{
    [Theory, ClassData(typeof(EveryModel))]
    [Trait("Category", "Negative")]
    public async Task A_healthy_database_has_no_faults(IsolationModel model)
    {
        var (tenant, _) = await ground.PairAsync(model);
        var test = ground.Platform.Get<IsolationSelfTest>();
        Assert.Empty(await test.FindFaultsAsync(tenant.Placement.Server, tenant.Placement.Database, AttackGround.Stop));
        await test.EnsureAsync(tenant.Placement.Server, tenant.Placement.Database, AttackGround.Stop);
    }

    public static TheoryData<string, string> Holes =>
        new()
        {
            {
                "ALTER TABLE documents DISABLE ROW LEVEL SECURITY",
                "documents: row-level security is not enabled and forced"
            },
            {
                "ALTER TABLE documents NO FORCE ROW LEVEL SECURITY",
                "documents: row-level security is not enabled and forced"
            },
            {
                "CREATE TABLE notes (tenant_id uuid PRIMARY KEY)",
                "notes: row-level security is not enabled and forced"
            },
            { "DROP POLICY tenant_isolation ON documents", "documents: the tenant policy is missing or another one" },
            {
                "ALTER POLICY tenant_isolation ON documents USING (tenant_id::text = current_setting('app.current_tenant'))",
                "documents: the tenant policy is missing or another one"
            },
            {
                "ALTER POLICY tenant_isolation ON documents WITH CHECK (true)",
                "documents: the tenant policy is missing or another one"
            },
            {
                "ALTER POLICY tenant_isolation ON documents TO tenantdocs_mover",
                "documents: the tenant policy is missing or another one"
            },
            {
                "CREATE POLICY more ON documents USING (true)",
                "documents: a further policy (more) lets the request role see more"
            },
            {
                "CREATE POLICY more ON documents FOR SELECT TO tenantdocs_app USING (status = 'public')",
                "documents: a further policy (more) lets the request role see more"
            },
            { "DROP POLICY write_gate_delete ON documents", "documents: writes that passed no gate are not refused" },
            {
                "ALTER POLICY write_gate_insert ON documents WITH CHECK (true)",
                "documents: writes that passed no gate are not refused"
            },
            {
                "ALTER POLICY write_gate_update ON documents TO tenantdocs_mover",
                "documents: writes that passed no gate are not refused"
            },
            {
                "CREATE VIEW all_documents AS SELECT * FROM documents",
                "all_documents is a view over tenant data that runs as its owner"
            },
            {
                "CREATE MATERIALIZED VIEW all_documents AS SELECT * FROM documents",
                "all_documents is a materialized view or foreign table: it has no policies"
            },
            {
                "CREATE FUNCTION all_documents() RETURNS SETOF documents LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM documents'",
                "all_documents runs as its owner and is not on the list of audited ones"
            },
            {
                "CREATE FUNCTION tenantdocs.enter_read(uuid) RETURNS void LANGUAGE sql SECURITY DEFINER AS ''; ALTER FUNCTION tenantdocs.enter_read(uuid) OWNER TO CURRENT_USER",
                "tenantdocs.enter_read runs as its owner and is not on the list of audited ones"
            },
            { "GRANT TRUNCATE ON documents TO tenantdocs_app", "documents: the request role may truncate it" },
            {
                "GRANT REFERENCES (id) ON documents TO tenantdocs_app",
                "documents: the request role may truncate it, reference it"
            },
            { "GRANT TRIGGER ON documents TO PUBLIC", "documents: the request role may truncate it" },
            { "ALTER TABLE documents OWNER TO tenantdocs_app", "documents belongs to the request role" },
            { "CREATE UNIQUE INDEX by_id ON documents (id)", "documents: a unique key does not start with tenant_id" },
            {
                "CREATE UNIQUE INDEX by_id ON documents (lower(id::text))",
                "documents: a unique key does not start with tenant_id"
            },
            {
                "CREATE UNIQUE INDEX by_id ON documents (id, tenant_id)",
                "documents: a unique key does not start with tenant_id"
            },
            {
                "CREATE TABLE notes (id uuid PRIMARY KEY, tenant_id uuid)",
                "notes: the primary key does not start with tenant_id"
            },
            { "CREATE TABLE notes (tenant_id uuid, n int)", "notes: the primary key does not start with tenant_id" },
            {
                "CREATE TABLE authors (tenant_id uuid, id uuid UNIQUE, PRIMARY KEY (tenant_id, id)); ALTER TABLE documents ADD COLUMN author uuid CONSTRAINT by_author REFERENCES authors (id)",
                "documents: the foreign key by_author does not start with tenant_id on both sides"
            },
            {
                "ALTER TABLE document_tags ADD CONSTRAINT crossed FOREIGN KEY (document_id, tenant_id) REFERENCES documents (id, tenant_id)",
                "document_tags: the foreign key crossed does not start with tenant_id on both sides"
            },
            {
                "CREATE TABLE parted (tenant_id uuid PRIMARY KEY) PARTITION BY HASH (tenant_id); CREATE TABLE part_0 PARTITION OF parted FOR VALUES WITH (MODULUS 1, REMAINDER 0); GRANT SELECT ON part_0 TO tenantdocs_app",
                "part_0: row-level security is not enabled and forced"
            },
            {
                "CREATE SCHEMA reports; GRANT USAGE ON SCHEMA reports TO tenantdocs_app; CREATE TABLE reports.titles AS SELECT title FROM documents; GRANT SELECT (title) ON reports.titles TO tenantdocs_app",
                "reports.titles can be used by the request role and is no tenant table"
            },
            {
                "CREATE SCHEMA reports; GRANT USAGE ON SCHEMA reports TO PUBLIC; CREATE VIEW reports.titles AS SELECT title FROM documents; GRANT SELECT ON reports.titles TO PUBLIC",
                "reports.titles can be used by the request role and is no tenant table"
            },
            {
                "GRANT SELECT (epoch) ON tenantdocs.tenant_fence TO tenantdocs_app",
                "the request role can read or change the fence"
            },
            {
                "GRANT CREATE ON SCHEMA tenantdocs TO tenantdocs_app",
                "the request role may create objects in schema tenantdocs"
            },
            {
                "DO $$ BEGIN EXECUTE format('GRANT TEMP ON DATABASE %I TO tenantdocs_app', current_database()); END $$",
                "the request role may create schemas or temporary tables here"
            },
            {
                "DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO PUBLIC', current_database()); END $$",
                "everybody may connect to this database"
            },
        };

    [Theory, MemberData(nameof(Holes))]
    public async Task Attack_17_Each_hole_is_found_and_named(string hole, string words)
    {
        foreach (var model in Enum.GetValues<IsolationModel>())
        {
            var (tenant, _) = await ground.PairAsync(model);
            await using var admin = await ground.Platform.OpenAsync(tenant, SessionRole.Admin);
            await admin.ExecuteAsync($"BEGIN; SET LOCAL search_path = {tenant.Placement.Schema.Quoted}");
            await admin.ExecuteAsync(hole);
            await admin.ExecuteAsync("SET LOCAL ROLE tenantdocs_app");
            var faults = await IsolationSelfTest.FindFaultsAsync(admin, AttackGround.Stop);
            Assert.Contains(faults, f => f.Contains(words, StringComparison.Ordinal));
            await admin.ExecuteAsync("ROLLBACK");
        }
    }

    public static TheoryData<string, string> Powers =>
        new()
        {
            { "SUPERUSER", "the request role is a superuser" },
            { "BYPASSRLS", "the request role has BYPASSRLS" },
            { "CREATEROLE", "the request role may create roles or databases" },
            { "CREATEDB", "the request role may create roles or databases" },
            { "REPLICATION", "the request role may replicate" },
            { "IN ROLE tenantdocs_owner", "the request role is a member of tenantdocs_owner" },
            { "IN ROLE pg_read_all_data", "the request role is a member of pg_read_all_data" },
        };

    [Theory, MemberData(nameof(Powers))]
    public async Task Attack_17_A_request_role_with_a_power_is_found_and_named(string power, string words)
    {
        var (tenant, _) = await ground.PairAsync(IsolationModel.Shared);
        await using var admin = await ground.Platform.OpenAsync(tenant, SessionRole.Admin);
        var role = $"x{Guid.NewGuid():n}"[..16];
        await admin.ExecuteAsync($"BEGIN; CREATE ROLE {role}; CREATE ROLE {role}_strong {power}");
        foreach (var schema in new[] { "tenantdocs", "shared" })
        {
            await admin.ExecuteAsync($"GRANT USAGE ON SCHEMA {schema} TO {role}, {role}_strong");
        }

        Assert.Empty(await FindFaultsAsync(role));
        Assert.Contains(words, await FindFaultsAsync(role + "_strong"));

        async Task<IReadOnlyList<string>> FindFaultsAsync(string name)
        {
            await admin.ExecuteAsync($"SET LOCAL ROLE {name}");
            var faults = await IsolationSelfTest.FindFaultsAsync(admin, AttackGround.Stop);
            await admin.ExecuteAsync("RESET ROLE");
            return faults;
        }
    }

    [Fact]
    public async Task A_database_with_a_hole_is_refused_with_every_fault_in_the_message()
    {
        var tenant = await ground.Platform.PlaceAsync(IsolationModel.Database);
        await using (var admin = await ground.Platform.OpenAsync(tenant, SessionRole.Admin))
        {
            await admin.ExecuteAsync("ALTER TABLE tenant.documents DISABLE ROW LEVEL SECURITY");
            await admin.ExecuteAsync("GRANT TRUNCATE ON tenant.document_tags TO tenantdocs_app");
        }

        var test = ground.Platform.Get<IsolationSelfTest>();
        var refusal = await Assert.ThrowsAsync<TenantIsolationException>(() =>
            test.EnsureAsync(tenant.Placement.Server, tenant.Placement.Database, AttackGround.Stop)
        );

        Assert.Contains("nothing is served", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("tenant.documents: row-level security", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(
            "tenant.document_tags: the request role may truncate",
            refusal.Message,
            StringComparison.Ordinal
        );
    }
}
