using Npgsql;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Support;

/// <summary>
/// Tears the wall down when TENANTDOCS_TEST_ISOLATION=off, so that <c>tests/honesty</c> can see whether the negative tests
/// notice: no policies, gate functions that check nothing, a request role that may do anything, databases open to everybody.
/// Roles belong to a whole server: never set it on a server that anything else uses.
/// </summary>
internal static class IsolationSwitch
{
    private const string Off = """
        DO $$
        DECLARE
            t record;
        BEGIN
            FOR t IN SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                      WHERE n.nspname ~ '^(shared|tenant|template|t_[0-9a-f]{32})$' AND c.relkind IN ('r', 'p') LOOP
                EXECUTE format('ALTER TABLE %I.%I DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', t.nspname, t.relname);
            END LOOP;
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO PUBLIC', current_database());
        END
        $$;
        CREATE OR REPLACE FUNCTION tenantdocs.enter_read(p_tenant uuid, p_epoch bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
        BEGIN
            PERFORM set_config('app.current_tenant', p_tenant::text, true), set_config('app.write_epoch', '1', true),
                    set_config('search_path', coalesce(
                        (SELECT schema_name FROM tenantdocs.tenant_fence WHERE tenant_id = p_tenant),
                        current_setting('search_path')), true);
        END
        $$;
        CREATE OR REPLACE FUNCTION tenantdocs.enter_write(p_tenant uuid, p_epoch bigint) RETURNS void LANGUAGE sql VOLATILE
            AS 'SELECT tenantdocs.enter_read(p_tenant, p_epoch)';
        CREATE OR REPLACE FUNCTION tenantdocs.place_fence(p_tenant uuid, p_epoch bigint, p_state text, p_access text, p_schema text)
            RETURNS void LANGUAGE sql VOLATILE AS $$
            INSERT INTO tenantdocs.tenant_fence (tenant_id, epoch, state, access, schema_name)
            VALUES (p_tenant, p_epoch, p_state, p_access, p_schema)
            ON CONFLICT (tenant_id) DO UPDATE SET epoch = EXCLUDED.epoch, state = EXCLUDED.state, access = EXCLUDED.access
            $$;
        """;

    public static bool IsOff => Environment.GetEnvironmentVariable("TENANTDOCS_TEST_ISOLATION") == "off";

    /// <summary>Before a platform starts: it would refuse to, on what <see cref="ApplyAsync(Platform)"/> did for the one before.</summary>
    public static async Task PrepareAsync(IEnumerable<string> servers)
    {
        if (!IsOff)
        {
            return;
        }

        foreach (var server in servers)
        {
            await using var admin = new NpgsqlConnection(server);
            await admin.OpenAsync();
            await RunAsync(
                admin,
                """
                DO $$ BEGIN
                    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tenantdocs_app') THEN
                        ALTER ROLE tenantdocs_app NOSUPERUSER;
                    END IF;
                END $$
                """
            );
        }
    }

    public static async Task ApplyAsync(Platform platform)
    {
        if (!IsOff)
        {
            return;
        }

        var names = platform.Get<DatabaseNames>();
        foreach (var server in platform.Servers.All)
        {
            await using var admin = new NpgsqlConnection(server.ConnectionString);
            await admin.OpenAsync();
            await RunAsync(admin, "ALTER ROLE tenantdocs_app SUPERUSER");
            await RunAsync(admin, $"GRANT CONNECT ON DATABASE {names.Catalog.Quoted} TO PUBLIC");
            await RunAsync(admin, $"ALTER DATABASE {names.TemplateDatabase.Quoted} ALLOW_CONNECTIONS true");
            foreach (var database in new[] { names.SharedDatabase, names.SchemaDatabase, names.TemplateDatabase })
            {
                await using var connection = await platform.Servers.OpenAsync(
                    server.Name,
                    database,
                    SessionRole.Admin,
                    CancellationToken.None
                );
                await ApplyAsync(connection);
            }

            await RunAsync(admin, $"ALTER DATABASE {names.TemplateDatabase.Quoted} ALLOW_CONNECTIONS false");
        }
    }

    public static Task ApplyAsync(NpgsqlConnection admin) => IsOff ? RunAsync(admin, Off) : Task.CompletedTask;

    private static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
