using Npgsql;

namespace TenantDocs.Database;

/// <summary>
/// Brings one target (a schema) to the newest version of an area. Each migration is one transaction together with its
/// version row; runners of the same database wait for each other; running again changes nothing.
/// </summary>
public static class MigrationRunner
{
    /// <summary>Creates the version table of a database, in <paramref name="schema"/>, which exists.</summary>
    public static async Task PrepareAsync(
        NpgsqlConnection connection,
        PgIdentifier schema,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            $"""
            CREATE TABLE IF NOT EXISTS {schema.Quoted}.schema_version (
                target text NOT NULL,
                area text NOT NULL,
                version int NOT NULL,
                name text NOT NULL,
                checksum bytea NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now(),
                PRIMARY KEY (target, area, version))
            """,
            connection
        );
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Applies what is missing; returns how many migrations that were.</summary>
    /// <param name="connection">Open, of a role that may create in <paramref name="target"/>.</param>
    /// <param name="set">The area.</param>
    /// <param name="versions">Schema of the version table.</param>
    /// <param name="target">The schema that unqualified names go to.</param>
    /// <param name="cancellationToken">Stops between migrations.</param>
    /// <exception cref="MigrationException">An applied migration's text was changed, or the target is newer than this program.</exception>
    public static async Task<int> MigrateAsync(
        NpgsqlConnection connection,
        MigrationSet set,
        PgIdentifier versions,
        PgIdentifier target,
        CancellationToken cancellationToken
    )
    {
        var applied = 0;
        foreach (var migration in set.Migrations)
        {
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await ExecuteAsync(
                connection,
                "SELECT pg_advisory_xact_lock(hashtextextended('tenantdocs migrations', 0))",
                cancellationToken
            );
            if (!await IsAppliedAsync(connection, set, versions, target, migration, cancellationToken))
            {
                await ExecuteAsync(connection, $"SET LOCAL search_path = {target.Quoted}", cancellationToken);
                await ExecuteAsync(connection, migration.Sql, cancellationToken);
                await RecordAsync(connection, set, versions, target, migration, cancellationToken);
                applied++;
            }

            await transaction.CommitAsync(cancellationToken);
        }

        return applied;
    }

    private static async Task<bool> IsAppliedAsync(
        NpgsqlConnection connection,
        MigrationSet set,
        PgIdentifier versions,
        PgIdentifier target,
        Migration migration,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            $"""
            SELECT (SELECT checksum FROM {versions.Quoted}.schema_version WHERE target = $1 AND area = $2 AND version = $3),
                   (SELECT max(version) FROM {versions.Quoted}.schema_version WHERE target = $1 AND area = $2)
            """,
            connection
        );
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = target.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = set.Area });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = migration.Version });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        if (!await reader.IsDBNullAsync(1, cancellationToken) && reader.GetInt32(1) > set.Latest)
        {
            throw new MigrationException(
                $"{set.Area} '{target}' is at version {reader.GetInt32(1)}, newer than this program's {set.Latest}. "
                    + "Nothing was changed. Run a program that knows that version."
            );
        }

        if (await reader.IsDBNullAsync(0, cancellationToken))
        {
            return false;
        }

        return reader.GetFieldValue<byte[]>(0).AsSpan().SequenceEqual(migration.Checksum)
            ? true
            : throw new MigrationException(
                $"Migration {set.Area}/{migration.Version:d4}_{migration.Name} was applied to '{target}' with another text. "
                    + "Nothing was changed. A shipped migration is never edited: restore its text and add a new one."
            );
    }

    private static async Task RecordAsync(
        NpgsqlConnection connection,
        MigrationSet set,
        PgIdentifier versions,
        PgIdentifier target,
        Migration migration,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            $"INSERT INTO {versions.Quoted}.schema_version (target, area, version, name, checksum) VALUES ($1, $2, $3, $4, $5)",
            connection
        );
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = target.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = set.Area });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = migration.Version });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = migration.Name });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = migration.Checksum });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}

/// <summary>A target cannot be brought to this program's version; nothing was changed.</summary>
public sealed class MigrationException(string message, Exception? inner = null) : Exception(message, inner);
