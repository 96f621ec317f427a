using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Database;

/// <summary>
/// Makes a server ready to hold tenants: the four roles, the databases of the shared and the schema model, the template
/// database, and the newest gate and tenant tables in each. Running it again changes nothing that is right.
/// </summary>
public sealed class ServerBootstrap(
    ServerConnections servers,
    DatabaseNames names,
    IOptions<IsolationOptions> isolation
)
{
    /// <summary>What the comment of a template database says when it is current.</summary>
    internal static string TemplateVersion => $"host {MigrationSet.Host.Latest}, tenant {MigrationSet.Tenant.Latest}";

    /// <summary>Which cluster a server is (two names may lead to one), and its version. Changes nothing.</summary>
    internal async Task<(string Cluster, Version Version)> IdentifyAsync(
        string server,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await OpenMaintenanceAsync(server, cancellationToken);
        await using var command = new NpgsqlCommand(
            "SELECT system_identifier::text FROM pg_control_system()",
            connection
        );
        return ((string)(await command.ExecuteScalarAsync(cancellationToken))!, connection.PostgreSqlVersion);
    }

    /// <summary>Prepares a registered server.</summary>
    /// <exception cref="MigrationException">The server is too old, or its databases do not fit this program.</exception>
    public async Task PrepareAsync(string server, CancellationToken cancellationToken)
    {
        var known = servers[server];
        await using var connection = await OpenMaintenanceAsync(server, cancellationToken);
        if (PostgresVersions.IsTooOld(connection.PostgreSqlVersion))
        {
            throw new MigrationException(
                $"Server '{server}' runs PostgreSQL {connection.PostgreSqlVersion}; 15 or newer is needed. Nothing was changed."
            );
        }

        // Two hosts that start at once prepare one after the other; a session lock, since CREATE DATABASE takes no transaction.
        await ExecuteAsync(
            connection,
            "SELECT pg_advisory_lock(hashtextextended('tenantdocs bootstrap', 0))",
            cancellationToken
        );
        await ExecuteAsync(connection, RolesSql(known), cancellationToken);
        await CreateDatabaseAsync(connection, names.SharedDatabase, cancellationToken);
        await CreateDatabaseAsync(connection, names.SchemaDatabase, cancellationToken);
        await Task.WhenAll(
            MigrateAsync(server, names.SharedDatabase, DatabaseNames.SharedSchema, cancellationToken),
            MigrateAsync(server, names.SchemaDatabase, DatabaseNames.TemplateSchema, cancellationToken)
        );
        await PrepareTemplateAsync(connection, server, cancellationToken);
    }

    /// <summary>Brings gate and tenant tables in one schema of one database to the newest version.</summary>
    public async Task MigrateAsync(
        string server,
        PgIdentifier database,
        PgIdentifier schema,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await servers.OpenAsync(server, database, SessionRole.Admin, cancellationToken);
        await ExecuteAsync(
            connection,
            $"""
            DROP SCHEMA IF EXISTS public;
            CREATE SCHEMA IF NOT EXISTS {DatabaseNames.GateSchema.Quoted} AUTHORIZATION {DatabaseNames.OwnerRole.Quoted};
            CREATE SCHEMA IF NOT EXISTS {schema.Quoted} AUTHORIZATION {DatabaseNames.OwnerRole.Quoted};
            SET ROLE {DatabaseNames.OwnerRole.Quoted};
            """,
            cancellationToken
        );
        await MigrationRunner.PrepareAsync(connection, DatabaseNames.GateSchema, cancellationToken);
        await MigrationRunner.MigrateAsync(
            connection,
            MigrationSet.Host,
            DatabaseNames.GateSchema,
            DatabaseNames.GateSchema,
            cancellationToken
        );
        await MigrationRunner.MigrateAsync(
            connection,
            MigrationSet.Tenant,
            DatabaseNames.GateSchema,
            schema,
            cancellationToken
        );
    }

    private Task<NpgsqlConnection> OpenMaintenanceAsync(string server, CancellationToken cancellationToken)
    {
        var settings = new NpgsqlConnectionStringBuilder(servers[server].ConnectionString);
        var database = new PgIdentifier(settings.Database is { Length: > 0 } name ? name : "postgres");
        return servers.OpenAsync(server, database, SessionRole.Admin, cancellationToken);
    }

    // The template must have no session, or CREATE DATABASE waits 5 s and fails; so it is opened only when it is behind,
    // which its comment tells from outside.
    private async Task PrepareTemplateAsync(NpgsqlConnection admin, string server, CancellationToken cancellationToken)
    {
        var template = names.TemplateDatabase;
        var version = TemplateVersion;
        await using (
            var command = new NpgsqlCommand(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1 AND NOT datallowconn",
                admin
            )
        )
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = template.Name });
            if (await command.ExecuteScalarAsync(cancellationToken) as string == version)
            {
                return;
            }
        }

        await CreateDatabaseAsync(admin, template, cancellationToken);
        await ExecuteAsync(admin, $"ALTER DATABASE {template.Quoted} ALLOW_CONNECTIONS true", cancellationToken);
        await MigrateAsync(server, template, DatabaseNames.DedicatedSchema, cancellationToken);
        await ExecuteAsync(
            admin,
            $"""
            ALTER DATABASE {template.Quoted} ALLOW_CONNECTIONS false;
            COMMENT ON DATABASE {template.Quoted} IS '{version}'
            """,
            cancellationToken
        );
    }

    private static async Task CreateDatabaseAsync(
        NpgsqlConnection admin,
        PgIdentifier database,
        CancellationToken cancellationToken
    )
    {
        await using (var exists = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = $1", admin))
        {
            exists.Parameters.Add(new NpgsqlParameter<string> { TypedValue = database.Name });
            if (await exists.ExecuteScalarAsync(cancellationToken) is null)
            {
                await ExecuteAsync(
                    admin,
                    $"CREATE DATABASE {database.Quoted} OWNER {DatabaseNames.OwnerRole.Quoted} TEMPLATE template0 ENCODING 'UTF8'",
                    cancellationToken
                );
            }
        }

        await ExecuteAsync(admin, DatabaseGrantsSql(database), cancellationToken);
    }

    /// <summary>Who may enter a tenant database. Not copied from a template: said for each one.</summary>
    internal static string DatabaseGrantsSql(PgIdentifier database) =>
        $"""
            REVOKE ALL ON DATABASE {database.Quoted} FROM PUBLIC;
            GRANT CONNECT ON DATABASE {database.Quoted} TO {DatabaseNames.AppRole.Quoted}, {DatabaseNames.MoverRole.Quoted}
            """;

    // The request role owns nothing, is member of nothing, and is bounded in time: LOCK TABLE by a tenant's session cannot
    // stop the others for longer than lock_timeout. Passwords are derived hexadecimal, so they need no escaping.
    private string RolesSql(Server server)
    {
        var statement = (long)isolation.Value.StatementTimeout.TotalMilliseconds;
        return $"""
            DO $$
            BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{DatabaseNames.OwnerRole}') THEN
                    CREATE ROLE {DatabaseNames.OwnerRole} NOLOGIN NOINHERIT;
                END IF;
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{DatabaseNames.SearchRole}') THEN
                    CREATE ROLE {DatabaseNames.SearchRole} NOLOGIN NOINHERIT;
                END IF;
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{DatabaseNames.AppRole}') THEN
                    CREATE ROLE {DatabaseNames.AppRole} LOGIN NOINHERIT;
                END IF;
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{DatabaseNames.MoverRole}') THEN
                    CREATE ROLE {DatabaseNames.MoverRole} LOGIN NOINHERIT REPLICATION BYPASSRLS;
                END IF;
            END
            $$;
            ALTER ROLE {DatabaseNames.AppRole} PASSWORD '{ServerConnections.PasswordFor(
                server,
                DatabaseNames.AppRole
            )}';
            ALTER ROLE {DatabaseNames.MoverRole} PASSWORD '{ServerConnections.PasswordFor(
                server,
                DatabaseNames.MoverRole
            )}';
            ALTER ROLE {DatabaseNames.AppRole} SET statement_timeout = {statement};
            ALTER ROLE {DatabaseNames.AppRole} SET lock_timeout = '5s';
            ALTER ROLE {DatabaseNames.AppRole} SET idle_in_transaction_session_timeout = '15s';
            ALTER ROLE {DatabaseNames.AppRole} SET default_transaction_isolation = 'read committed';
            GRANT {DatabaseNames.SearchRole} TO {DatabaseNames.OwnerRole};
            GRANT SET ON PARAMETER session_replication_role TO {DatabaseNames.MoverRole};
            DO $$
            BEGIN
                -- An administrator that is no superuser must be a member to create objects in the owner's name.
                IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
                    EXECUTE format('GRANT {DatabaseNames.OwnerRole}, {DatabaseNames.SearchRole} TO %I', current_user);
                END IF;
            END
            $$;
            """;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
