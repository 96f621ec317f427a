using Npgsql;
using TenantDocs.Database;

namespace TenantDocs.Isolation;

/// <summary>
/// Asks a database, as the request role, whether the wall stands: who the role is, what it may do, and whether every
/// tenant table is guarded. The host refuses to serve when the answer names a fault.
/// </summary>
public sealed class IsolationSelfTest(ServerConnections servers)
{
    // One row per fault, in words. Runs as the request role, so it judges what requests really are.
    private const string Faults = """
        WITH me AS (SELECT * FROM pg_roles WHERE rolname = current_user),
        tables AS (
            SELECT c.oid, n.nspname, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relowner
              FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE n.nspname ~ '^(shared|tenant|template|t_[0-9a-f]{32})$' AND c.relkind IN ('r', 'p', 'v', 'm', 'f'))
        SELECT 'the request role is a superuser' FROM me WHERE rolsuper
        UNION ALL SELECT 'the request role has BYPASSRLS' FROM me WHERE rolbypassrls
        UNION ALL SELECT 'the request role may create roles or databases' FROM me WHERE rolcreaterole OR rolcreatedb
        UNION ALL SELECT 'the request role may replicate' FROM me WHERE rolreplication
        UNION ALL SELECT format('the request role is a member of %s', r.rolname)
                    FROM pg_auth_members AS m JOIN pg_roles AS r ON r.oid = m.roleid, me WHERE m.member = me.oid
        UNION ALL SELECT 'the request role may create schemas or temporary tables here'
                   WHERE has_database_privilege(current_database(), 'CREATE') OR has_database_privilege(current_database(), 'TEMP')
        UNION ALL SELECT format('the request role may create objects in schema %s', nspname)
                    FROM pg_namespace WHERE has_schema_privilege(oid, 'CREATE') AND nspname !~ '^pg_'
        UNION ALL SELECT format('everybody may connect to this database')
                    FROM pg_database AS d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
                   WHERE d.datname = current_database() AND a.grantee = 0 AND a.privilege_type IN ('CONNECT', 'TEMPORARY')
        UNION ALL SELECT format('%s.%s belongs to the request role', t.nspname, t.relname) FROM tables AS t, me WHERE t.relowner = me.oid
        UNION ALL SELECT format('%s.%s: row-level security is not enabled and forced', nspname, relname)
                    FROM tables WHERE relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity)
        UNION ALL SELECT format('%s.%s: row-level security is not active for the request role', nspname, relname)
                    FROM tables WHERE relkind IN ('r', 'p') AND NOT row_security_active(oid)
        UNION ALL SELECT format('%s.%s: the tenant policy is missing or another one', nspname, relname)
                    FROM tables AS t
                   WHERE relkind IN ('r', 'p') AND NOT EXISTS (
                         SELECT FROM pg_policy AS p
                          WHERE p.polrelid = t.oid AND p.polpermissive AND p.polcmd = '*' AND p.polroles = '{0}'
                            AND pg_get_expr(p.polqual, p.polrelid) = $1 AND pg_get_expr(p.polwithcheck, p.polrelid) = $1)
        UNION ALL SELECT format('%s.%s: a further policy (%s) lets the request role see more', t.nspname, t.relname, p.polname)
                    FROM tables AS t JOIN pg_policy AS p ON p.polrelid = t.oid, me
                   WHERE p.polpermissive AND (p.polroles = '{0}' OR me.oid = ANY (p.polroles))
                     AND NOT (p.polname = 'tenant_isolation' AND p.polcmd = '*')
        UNION ALL SELECT format('%s.%s: writes that passed no gate are not refused', t.nspname, t.relname)
                    FROM tables AS t
                   WHERE relkind IN ('r', 'p')
                     AND (SELECT count(DISTINCT p.polcmd) FROM pg_policy AS p
                           WHERE p.polrelid = t.oid AND NOT p.polpermissive AND p.polroles = '{0}'
                             AND CASE p.polcmd WHEN 'd' THEN pg_get_expr(p.polqual, p.polrelid) ELSE pg_get_expr(p.polwithcheck, p.polrelid) END = $2
                             AND p.polcmd IN ('a', 'w', 'd')) < 3
        UNION ALL SELECT format('%s.%s: the primary key does not start with tenant_id', t.nspname, t.relname)
                    FROM tables AS t
                   WHERE relkind IN ('r', 'p') AND NOT EXISTS (
                         SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                          WHERE i.indrelid = t.oid AND i.indisprimary AND a.attname = 'tenant_id')
        UNION ALL SELECT format('%s.%s: a unique key does not start with tenant_id', t.nspname, t.relname)
                    FROM tables AS t JOIN pg_index AS i ON i.indrelid = t.oid
                    -- A left join: the first "column" of an index on an expression is none.
                    LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                   WHERE (i.indisunique OR i.indisexclusion) AND a.attname IS DISTINCT FROM 'tenant_id'
        UNION ALL SELECT format('%s.%s: the foreign key %s does not start with tenant_id on both sides', t.nspname, t.relname, k.conname)
                    FROM tables AS t JOIN pg_constraint AS k ON k.conrelid = t.oid AND k.contype = 'f'
                   WHERE NOT EXISTS (
                         SELECT FROM pg_attribute AS a, pg_attribute AS b
                          WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[1] AND a.attname = 'tenant_id'
                            AND b.attrelid = k.confrelid AND b.attnum = k.confkey[1] AND b.attname = 'tenant_id')
        UNION ALL SELECT format('%s.%s: the request role may truncate it, reference it or put triggers on it', nspname, relname)
                    FROM tables WHERE relkind IN ('r', 'p')
                     AND (has_table_privilege(oid, 'TRUNCATE, REFERENCES, TRIGGER') OR has_any_column_privilege(oid, 'REFERENCES'))
        UNION ALL SELECT format('%s.%s can be used by the request role and is no tenant table', n.nspname, c.relname)
                    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^(pg_|information_schema$)'
                     AND c.oid NOT IN (SELECT oid FROM tables) AND has_schema_privilege(n.oid, 'USAGE')
                     AND (has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES') OR has_table_privilege(c.oid, 'DELETE, TRUNCATE, TRIGGER'))
        UNION ALL SELECT format('%s.%s is a view over tenant data that runs as its owner', t.nspname, t.relname)
                    FROM tables AS t JOIN pg_class AS c ON c.oid = t.oid
                   WHERE t.relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (c.reloptions) OR 'security_invoker=on' = ANY (c.reloptions), false)
        UNION ALL SELECT format('%s.%s is a materialized view or foreign table: it has no policies', nspname, relname)
                    FROM tables WHERE relkind IN ('m', 'f')
        UNION ALL SELECT format('function %s.%s runs as its owner and is not on the list of audited ones', n.nspname, f.proname)
                    FROM pg_proc AS f JOIN pg_namespace AS n ON n.oid = f.pronamespace
                   WHERE f.prosecdef AND n.nspname !~ '^(pg_|information_schema)' AND has_function_privilege(f.oid, 'EXECUTE')
                     AND NOT (n.nspname = 'tenantdocs' AND f.proname IN ('enter_read', 'enter_write') AND pg_get_userbyid(f.proowner) = 'tenantdocs_owner')
                     AND NOT (f.proname = 'search_documents' AND pg_get_userbyid(f.proowner) = 'tenantdocs_search'
                              AND f.proconfig @> ARRAY['search_path=' || n.nspname])
        UNION ALL SELECT format('the role %s, which owns what requests call, may log in, bypass policies or is a superuser', rolname)
                    FROM pg_roles WHERE rolname IN ('tenantdocs_owner', 'tenantdocs_search') AND (rolcanlogin OR rolbypassrls OR rolsuper)
        UNION ALL SELECT 'the request role can read or change the fence'
                   WHERE has_any_column_privilege('tenantdocs.tenant_fence', 'SELECT, INSERT, UPDATE') OR has_table_privilege('tenantdocs.tenant_fence', 'DELETE')
        UNION ALL SELECT 'there is no tenant table here' WHERE NOT EXISTS (SELECT FROM tables)
        """;

    /// <summary>The one expression that a tenant policy may have, as PostgreSQL prints it.</summary>
    internal const string PolicyExpression =
        "(tenant_id = (NULLIF(current_setting('app.current_tenant'::text, true), ''::text))::uuid)";

    /// <summary>What the restrictive policies ask of a write, as PostgreSQL prints it.</summary>
    internal const string WriteGateExpression =
        "( SELECT (current_setting('app.write_epoch'::text, true) <> ''::text))";

    /// <summary>The faults of one database, in words; empty when the wall stands.</summary>
    public async Task<IReadOnlyList<string>> FindFaultsAsync(
        string server,
        PgIdentifier database,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await servers.OpenAsync(server, database, SessionRole.App, cancellationToken);
        return await FindFaultsAsync(connection, cancellationToken);
    }

    /// <summary>The faults as the connection's current role meets them.</summary>
    internal static async Task<IReadOnlyList<string>> FindFaultsAsync(
        NpgsqlConnection connection,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(Faults, connection);
        command.Parameters.Add(SqlValue.Of(PolicyExpression));
        command.Parameters.Add(SqlValue.Of(WriteGateExpression));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var faults = new List<string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            faults.Add(reader.GetString(0));
        }

        return faults;
    }

    /// <summary>Throws when a database's wall does not stand.</summary>
    /// <exception cref="TenantIsolationException">Names every fault; the host must not serve.</exception>
    public async Task EnsureAsync(string server, PgIdentifier database, CancellationToken cancellationToken)
    {
        var faults = await FindFaultsAsync(server, database, cancellationToken);
        if (faults.Count > 0)
        {
            throw new TenantIsolationException(
                $"Isolation is not safe on server '{server}', database '{database}'; nothing is served. Mend and start again: "
                    + string.Join("; ", faults)
                    + "."
            );
        }
    }
}
