using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>What the request role could do if it were handed plain SQL on a tenant's place.</summary>
[Collection(nameof(AttackGround))]
[Trait("Category", "Negative")]
public sealed class RoleAttackTests(AttackGround ground)
{
    private const string Denied = PostgresErrorCodes.InsufficientPrivilege;

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_16_The_request_role_is_nobody(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        await using var session = await ground.IntrudeAsync(attacker, victim);
        Assert.Equal("tenantdocs_app", await session.AskAsync<string>("SELECT current_user::text"));

        Assert.False(
            await session.AskAsync<bool>(
                """
                SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
                       OR EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid)
                       OR EXISTS (SELECT FROM pg_class WHERE relowner = r.oid)
                       OR EXISTS (SELECT FROM pg_proc WHERE proowner = r.oid)
                  FROM pg_roles AS r WHERE rolname = current_user
                """
            )
        );
        await AllRefusedAsync(
            session,
            "TRUNCATE documents CASCADE",
            "CREATE TABLE mine (a int)",
            "CREATE TEMP TABLE documents (a int)",
            "CREATE SCHEMA mine",
            "CREATE ROLE mine",
            "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE TRIGGER mine BEFORE INSERT ON documents FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "ALTER TABLE documents NO FORCE ROW LEVEL SECURITY",
            "DROP POLICY tenant_isolation ON documents",
            "GRANT tenantdocs_owner TO tenantdocs_app",
            "SET ROLE tenantdocs_owner",
            "SET ROLE tenantdocs_mover",
            "SET ROLE tenantdocs_search",
            "SET SESSION AUTHORIZATION tenantdocs_mover",
            "SET LOCAL session_replication_role = replica",
            "SELECT pg_read_file('PG_VERSION')",
            "COPY documents TO PROGRAM 'cat'"
        );
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_16_The_gate_cannot_be_read_moved_or_replaced(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        await using var session = await ground.IntrudeAsync(attacker, victim);

        await AllRefusedAsync(
            session,
            "SELECT count(*) FROM tenantdocs.tenant_fence",
            "UPDATE tenantdocs.tenant_fence SET epoch = epoch",
            $"SELECT tenantdocs.place_fence('{attacker.Id}', 1000, 'active', 'readWrite', 'shared')",
            "SELECT tenantdocs.clone_schema('shared', 't_00000000000000000000000000000000')",
            "DROP FUNCTION tenantdocs.enter_read(uuid, bigint)",
            "CREATE OR REPLACE FUNCTION tenantdocs.require(p_fact boolean, p_code text, p_message text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
            "SELECT count(*) FROM tenantdocs.schema_version"
        );
        await using var control = await ground.Platform.OpenAsync(victim, SessionRole.Mover);
        Assert.NotEqual(0, await control.AskAsync<long>("SELECT count(*) FROM tenantdocs.tenant_fence"));
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_16_Immutable_tables_are_append_only_for_the_tenant_itself(IsolationModel model)
    {
        var (victim, _) = await ground.PairAsync(model);
        await using var session = await ground.IntrudeAsync(victim, victim);
        await session.ExecuteAsync(
            "INSERT INTO document_changes (tenant_id, seq, type, document_id, version, at, actor) VALUES ($1, 1000000, 'created', $2, 1, now(), 'test')",
            SqlValue.Of(victim.Id.Value),
            SqlValue.Of(Guid.CreateVersion7())
        );

        await AllRefusedAsync(
            session,
            "UPDATE document_changes SET actor = 'nobody'",
            "DELETE FROM document_changes",
            "UPDATE document_versions SET body = ''",
            "DELETE FROM document_versions"
        );
    }

    /// <summary>A policy on a parent does not guard a partition that is queried by its own name.</summary>
    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_19_A_partition_cannot_be_asked_by_its_own_name(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        var schema = victim.Placement.Schema.Quoted;
        await using var admin = await ground.Platform.OpenAsync(victim, SessionRole.Admin);
        await admin.ExecuteAsync(
            $"""
            SET ROLE tenantdocs_owner;
            CREATE TABLE IF NOT EXISTS {schema}.parted (tenant_id uuid NOT NULL, n int) PARTITION BY HASH (tenant_id);
            CREATE TABLE IF NOT EXISTS {schema}.part_0 PARTITION OF {schema}.parted FOR VALUES WITH (MODULUS 1, REMAINDER 0);
            ALTER TABLE {schema}.parted ENABLE ROW LEVEL SECURITY;
            DROP POLICY IF EXISTS tenant_isolation ON {schema}.parted;
            CREATE POLICY tenant_isolation ON {schema}.parted
                USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid);
            INSERT INTO {schema}.parted VALUES ('{victim.Id}', 1);
            GRANT SELECT ON {schema}.parted TO tenantdocs_app;
            """
        );
        try
        {
            await Support.IsolationSwitch.ApplyAsync(admin);
            await using (var own = await ground.IntrudeAsync(victim, victim))
            {
                Assert.Equal(1, await own.AskAsync<long>("SELECT count(*) FROM parted"));
            }

            await using var session = await ground.IntrudeAsync(attacker, victim);
            await session.RefusedAsync(Denied, "SELECT count(*) FROM part_0");
            Assert.Equal(0, await session.AskAsync<long>("SELECT count(*) FROM parted"));
        }
        finally
        {
            await admin.ExecuteAsync($"DROP TABLE {schema}.parted");
        }
    }

    [Fact]
    public async Task Attack_28_Nobody_but_the_platforms_roles_connects_to_a_tenants_database_or_the_catalog()
    {
        var (victim, _) = await ground.PairAsync(IsolationModel.Database);
        await using var admin = await ground.Platform.OpenAsync(victim, SessionRole.Admin);
        var role = $"x{Guid.NewGuid():n}"[..16];
        await admin.ExecuteAsync($"CREATE ROLE {role} LOGIN PASSWORD 'test'");
        try
        {
            var names = ground.Platform.Get<DatabaseNames>();
            foreach (var database in new[] { victim.Placement.Database, names.SharedDatabase, names.SchemaDatabase })
            {
                await ConnectAsync(database, "tenantdocs_app", null);
                Assert.Equal(Denied, (await RefusedAsync(database, role, "test")).SqlState);
            }

            Assert.Equal(Denied, (await RefusedAsync(names.Catalog, "tenantdocs_app", null)).SqlState);
            Assert.Equal(Denied, (await RefusedAsync(names.Catalog, "tenantdocs_mover", null)).SqlState);
        }
        finally
        {
            await admin.ExecuteAsync($"DROP ROLE {role}");
        }
    }

    private Task<PostgresException> RefusedAsync(PgIdentifier database, string user, string? password) =>
        Assert.ThrowsAsync<PostgresException>(() => ConnectAsync(database, user, password));

    private async Task ConnectAsync(PgIdentifier database, string user, string? password)
    {
        var server = ground.Platform.Servers["local-1"];
        var settings = new NpgsqlConnectionStringBuilder(server.ConnectionString)
        {
            Database = database.Name,
            Username = user,
            Password = password ?? ServerConnections.PasswordFor(server, new PgIdentifier(user)),
            Pooling = false,
        };
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync();
    }

    private static async Task AllRefusedAsync(NpgsqlConnection session, params string[] statements)
    {
        var allowed = new List<string>();
        foreach (var statement in statements)
        {
            await session.ExecuteAsync("SAVEPOINT attack");
            try
            {
                await session.ExecuteAsync(statement);
                allowed.Add(statement);
            }
            catch (PostgresException e) when (e.SqlState == Denied) { }
            catch (PostgresException e)
            {
                allowed.Add($"{statement} ({e.SqlState}: {e.MessageText})");
            }

            await session.ExecuteAsync("ROLLBACK TO SAVEPOINT attack");
        }

        Assert.Empty(allowed);
    }
}
