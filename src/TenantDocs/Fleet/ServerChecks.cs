using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Provisioning;

namespace TenantDocs.Fleet;

/// <summary>Examines one server.</summary>
public sealed class ServerChecks(OperatorConnections connections, DatabaseNames names, CatalogDatabase catalog)
{
    // Databases of single tenants are examined one connection each: a sample says whether something is generally wrong.
    private const int Sample = 25;

    private const string ServerSql = """
        SELECT current_setting('wal_level'),
               EXISTS (SELECT FROM pg_roles WHERE rolname = 'tenantdocs_app'
                          AND NOT rolsuper AND NOT rolbypassrls AND NOT rolcreaterole AND NOT rolcreatedb AND NOT rolreplication)
               AND NOT EXISTS (SELECT FROM pg_auth_members WHERE member = 'tenantdocs_app'::regrole)
               AND NOT EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass
                                  AND refobjid = 'tenantdocs_app'::regrole AND deptype = 'o'),
               (SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1 AND NOT datallowconn)
        """;

    private const string UnguardedSql = """
        SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname ~ '^(shared|tenant|template|t_[0-9a-f]{32})$' AND c.relkind IN ('r', 'p')
           AND NOT (c.relrowsecurity AND c.relforcerowsecurity
                    AND EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = 'tenant_isolation')
                    AND EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'))
        """;

    /// <summary>Examines a server that can be reached.</summary>
    internal async Task<IReadOnlyList<DoctorCheck>> ExamineAsync(
        string server,
        IReadOnlyList<Tenant> tenants,
        CancellationToken cancellationToken
    )
    {
        var found = new List<DoctorCheck>();
        void Add(string name, CheckStatus status, string detail) =>
            found.Add(new DoctorCheck(name, status, server, detail));

        await ExamineClusterAsync(server, Add, cancellationToken);
        var dedicated = tenants
            .Where(t => t.Placement.Isolation is IsolationModel.Database && HasHome(t))
            .Select(t => t.Placement.Database)
            .Take(Sample)
            .ToList();
        var unguarded = 0L;
        var disagreeing = 0;
        foreach (var database in (PgIdentifier[])[names.SharedDatabase, names.SchemaDatabase, .. dedicated])
        {
            await using var connection = await connections.OpenAsync(
                server,
                database,
                SessionRole.Admin,
                cancellationToken
            );
            unguarded += await CountAsync(connection, UnguardedSql, cancellationToken);
            var fences = await FencesAsync(connection, cancellationToken);
            disagreeing += tenants.Count(t => t.Placement.Database == database && HasHome(t) && !Agrees(t, fences));
        }

        Add(
            "row-security",
            unguarded == 0 ? CheckStatus.Ok : CheckStatus.Failed,
            unguarded == 0
                ? $"Every tenant table is guarded, in the shared databases and {dedicated.Count} of the tenants' own."
                : $"{unguarded} tenant table(s) are not guarded by forced row-level security and the tenant policy. "
                    + "Stop serving from this server and run the migrations."
        );
        Add(
            "fences",
            disagreeing == 0 ? CheckStatus.Ok : CheckStatus.Warning,
            disagreeing == 0
                ? "The fences agree with the catalog."
                : $"{disagreeing} fence(s) disagree with the catalog on epoch or access. A move may be under way; else set "
                    + "the tenant's access mode again."
        );
        await ExamineLeftoversAsync(server, Add, cancellationToken);
        return found;
    }

    private async Task ExamineClusterAsync(
        string server,
        Action<string, CheckStatus, string> add,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await connections.OpenMaintenanceAsync(server, cancellationToken);
        var version = connection.PostgreSqlVersion;
        add("server-reachable", CheckStatus.Ok, $"PostgreSQL {version} answers.");
        var fault = PostgresVersions.KnownFault(version);
        add("version", fault is null ? CheckStatus.Ok : CheckStatus.Warning, fault ?? $"PostgreSQL {version}.");
        await using var command = new NpgsqlCommand(ServerSql, connection);
        command.Parameters.Add(SqlValue.Of(names.TemplateDatabase.Name));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var isLogical = reader.GetString(0) == "logical";
        add(
            "wal-level",
            isLogical ? CheckStatus.Ok : CheckStatus.Warning,
            isLogical
                ? "wal_level is logical."
                : $"wal_level is {reader.GetString(0)}: tenants can move away only while their writes are held. Set it to logical."
        );
        var isSafe = reader.GetBoolean(1);
        add(
            "request-role",
            isSafe ? CheckStatus.Ok : CheckStatus.Failed,
            isSafe
                ? "The request role owns nothing, is member of nothing and cannot bypass row-level security."
                : "The request role could bypass row-level security. Take its privileges, memberships and objects away."
        );
        var isCurrent = !reader.IsDBNull(2) && reader.GetString(2) == ServerBootstrap.TemplateVersion;
        add(
            "template",
            isCurrent ? CheckStatus.Ok : CheckStatus.Failed,
            isCurrent
                ? "The template for new tenant databases is current and closed."
                : "The template for new tenant databases is missing, open or behind. Restart a node: it prepares the server."
        );
    }

    // What no tenant lives in, no operation is working on and no operation has written down.
    private async Task ExamineLeftoversAsync(
        string server,
        Action<string, CheckStatus, string> add,
        CancellationToken cancellationToken
    )
    {
        await using var schemas = await connections.OpenAsync(
            server,
            names.SchemaDatabase,
            SessionRole.Admin,
            cancellationToken
        );
        var present = await NamesAsync(
            schemas,
            "SELECT nspname FROM pg_namespace WHERE nspname ~ '^t_[0-9a-f]{32}$'",
            null,
            cancellationToken
        );
        await using var maintenance = await connections.OpenMaintenanceAsync(server, cancellationToken);
        present.AddRange(
            await NamesAsync(
                maintenance,
                "SELECT datname FROM pg_database WHERE starts_with(datname, $1)",
                $"{names.Prefix}_t_",
                cancellationToken
            )
        );
        await using var command = catalog.Source.CreateCommand(
            """
            SELECT count(*) FROM unnest($1::text[]) AS present (name)
             WHERE NOT EXISTS (SELECT FROM placements AS p JOIN tenants AS t ON t.id = p.tenant_id
                                WHERE p.server = $2 AND t.status NOT IN ('purged', 'failed')
                                  AND present.name IN (p.schema_name, p.database_name))
               AND NOT EXISTS (SELECT FROM operation_objects AS j
                                WHERE j.server = $2 AND j.name = present.name AND j.settled_at IS NULL)
            """
        );
        command.Parameters.Add(SqlValue.Of(present.ToArray()));
        command.Parameters.Add(SqlValue.Of(server));
        var orphans = (long)(await command.ExecuteScalarAsync(cancellationToken))!;
        add(
            "leftovers",
            orphans == 0 ? CheckStatus.Ok : CheckStatus.Warning,
            orphans == 0
                ? "No schema or database is left over."
                : $"{orphans} schema(s) or database(s) belong to no tenant and no operation."
        );
    }

    private static bool HasHome(Tenant tenant) =>
        tenant.Status is TenantStatus.Active or TenantStatus.Suspended
        || (
            tenant.Status is TenantStatus.PendingDeletion && tenant.SchemaVersion > 0 && tenant.ActiveOperation is null
        );

    private static bool Agrees(Tenant tenant, Dictionary<Guid, (long Epoch, string State, string Access)> fences) =>
        fences.TryGetValue(tenant.Id.Value, out var fence)
        && fence == (tenant.Placement.Epoch, "active", TenantFence.AccessFor(tenant).ToText());

    private static async Task<Dictionary<Guid, (long Epoch, string State, string Access)>> FencesAsync(
        NpgsqlConnection connection,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            "SELECT tenant_id, epoch, state, access FROM tenantdocs.tenant_fence",
            connection
        );
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var fences = new Dictionary<Guid, (long, string, string)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            fences[reader.GetGuid(0)] = (reader.GetInt64(1), reader.GetString(2), reader.GetString(3));
        }

        return fences;
    }

    private static async Task<long> CountAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync(cancellation))!;
    }

    private static async Task<List<string>> NamesAsync(
        NpgsqlConnection connection,
        string sql,
        string? parameter,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(sql, connection);
        if (parameter is not null)
        {
            command.Parameters.Add(SqlValue.Of(parameter));
        }

        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var names = new List<string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            names.Add(reader.GetString(0));
        }

        return names;
    }
}
