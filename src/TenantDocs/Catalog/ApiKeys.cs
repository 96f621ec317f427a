using Npgsql;
using NpgsqlTypes;
using TenantDocs.Isolation;

namespace TenantDocs.Catalog;

/// <summary>Makes, lists, finds and revokes API keys of tenants and of staff. The key itself is shown once and never kept.</summary>
public sealed class ApiKeys(CatalogDatabase catalog, TimeProvider time)
{
    private const string BootstrapName = "bootstrap";
    private const int ShortestConfiguredKey = 16;

    private const string Columns =
        "id, tenant_id, name, prefix, role, scopes, created_at, created_by, expires_at, last_used_at, revoked_at";

    /// <summary>Makes a key.</summary>
    /// <param name="tenant">Whose; null for staff, whose role is <see cref="ApiKey.StaffRole"/>.</param>
    /// <param name="name">Name for people.</param>
    /// <param name="role">owner, admin, editor, viewer or staff; the caller has checked it.</param>
    /// <param name="scopes">What it is narrowed to; null = everything that the role allows.</param>
    /// <param name="expiresAt">From when on it is refused; null = never.</param>
    /// <param name="actor">Who makes it.</param>
    /// <param name="cancellationToken">Stops before the key exists.</param>
    /// <returns>What is kept, and the key: the only time that it can be seen.</returns>
    public async Task<(ApiKey Kept, string Key)> CreateAsync(
        TenantId? tenant,
        string name,
        string role,
        IReadOnlyList<string>? scopes,
        DateTimeOffset? expiresAt,
        string actor,
        CancellationToken cancellationToken
    )
    {
        var key = ApiKey.NewKey();
        var kept = new ApiKey
        {
            Id = Guid.CreateVersion7(time.GetUtcNow()),
            Tenant = tenant,
            Name = name,
            Prefix = ApiKey.PrefixOf(key),
            Role = role,
            Scopes = scopes,
            CreatedAt = Microseconds(time.GetUtcNow()),
            CreatedBy = actor,
            ExpiresAt = expiresAt,
        };
        await InsertAsync(kept, ApiKeyHash.Of(key), cancellationToken);
        return (kept, key);
    }

    /// <summary>A tenant's keys (null: the staff's) in order of creation; revoked ones too, so that histories can be read.</summary>
    public async Task<IReadOnlyList<ApiKey>> ListAsync(TenantId? tenant, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(
            $"SELECT {Columns} FROM api_keys WHERE tenant_id IS NOT DISTINCT FROM $1 ORDER BY created_at, id"
        );
        command.Parameters.Add(SqlValue.Of(tenant?.Value));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var keys = new List<ApiKey>();
        while (await reader.ReadAsync(cancellationToken))
        {
            keys.Add(Read(reader));
        }

        return keys;
    }

    /// <summary>
    /// Revokes a key: every node refuses it within 2 s; one that does not reach the catalog, after
    /// <see cref="CatalogOptions.RouteLifetimeWithoutCatalog"/>.
    /// </summary>
    /// <returns>False when the tenant (null: the staff) has no such key, or it was revoked before.</returns>
    public async Task<bool> RevokeAsync(TenantId? tenant, Guid id, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(
            """
            UPDATE api_keys SET revoked_at = $3
             WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND revoked_at IS NULL
            """
        );
        command.Parameters.Add(SqlValue.Of(id));
        command.Parameters.Add(SqlValue.Of(tenant?.Value));
        command.Parameters.Add(SqlValue.Of(time.GetUtcNow()));
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    /// <summary>The key with this hash, past every cache; also when it has expired, not when it was revoked.</summary>
    public async Task<ApiKey?> FindAsync(ApiKeyHash hash, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(
            $"SELECT {Columns} FROM api_keys WHERE hash = $1 AND revoked_at IS NULL"
        );
        command.CommandTimeout = CatalogNews.LookupSeconds;
        command.Parameters.Add(SqlValue.Of(hash.ToBytes()));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? Read(reader) : null;
    }

    /// <summary>
    /// Makes sure that staff can get in. A configured key is accepted from now on, the one configured before no longer;
    /// without one, a key is made if there is no staff key at all.
    /// </summary>
    /// <param name="configured">The key from <c>Admin:BootstrapKey</c>: any text of at least 16 characters that is no JWT.</param>
    /// <param name="cancellationToken">Stops before a key exists.</param>
    /// <returns>The key that was made, to be shown once; null when none was.</returns>
    /// <exception cref="ArgumentException">The configured key is too short, or has the form of a JWT.</exception>
    public async Task<string?> EnsureBootstrapKeyAsync(string? configured, CancellationToken cancellationToken)
    {
        if (!string.IsNullOrEmpty(configured))
        {
            await ConfigureBootstrapAsync(configured, cancellationToken);
            return null;
        }

        var key = ApiKey.NewKey();
        return await InsertBootstrapAsync(key, onlyFirst: true, cancellationToken) ? key : null;
    }

    /// <summary>Writes down when keys were last used.</summary>
    internal async Task TouchAsync(IReadOnlyDictionary<Guid, DateTimeOffset> uses, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(
            """
            UPDATE api_keys AS k SET last_used_at = greatest(k.last_used_at, u.at)
              FROM unnest($1::uuid[], $2::timestamptz[]) AS u (id, at)
             WHERE k.id = u.id
            """
        );
        command.Parameters.Add(
            new NpgsqlParameter<Guid[]>
            {
                TypedValue = [.. uses.Keys],
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid,
            }
        );
        command.Parameters.Add(
            new NpgsqlParameter<DateTime[]>
            {
                TypedValue = [.. uses.Values.Select(v => v.UtcDateTime)],
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz,
            }
        );
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task ConfigureBootstrapAsync(string key, CancellationToken cancellationToken)
    {
        if (key.Length < ShortestConfiguredKey || key.Any(char.IsWhiteSpace))
        {
            throw new ArgumentException(
                $"Admin:BootstrapKey must have at least {ShortestConfiguredKey} characters and no white space."
            );
        }

        if (key.StartsWith("ey", StringComparison.Ordinal) && key.Count(c => c == '.') == 2)
        {
            throw new ArgumentException("Admin:BootstrapKey must not have the form of a JWT.");
        }

        await InsertBootstrapAsync(key, onlyFirst: false, cancellationToken);
        await using var command = catalog.Source.CreateCommand(
            """
            UPDATE api_keys SET revoked_at = $3
             WHERE tenant_id IS NULL AND name = $1 AND hash <> $2 AND revoked_at IS NULL
            """
        );
        command.Parameters.Add(SqlValue.Of(BootstrapName));
        command.Parameters.Add(SqlValue.Of(ApiKeyHash.Of(key).ToBytes()));
        command.Parameters.Add(SqlValue.Of(time.GetUtcNow()));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task<bool> InsertBootstrapAsync(string key, bool onlyFirst, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        // Two nodes that start at once: the lock lets one of them make the key, the other sees it.
        await using var batch = catalog.Source.CreateBatch();
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("SELECT pg_advisory_xact_lock(hashtextextended('tenantdocs bootstrap key', 0))")
        );
        var insert = new NpgsqlBatchCommand(
            """
            INSERT INTO api_keys (id, name, prefix, hash, role, created_at, created_by)
            SELECT $1, $2, $3, $4, 'staff', $5, 'platform'
             WHERE NOT ($6 AND EXISTS (SELECT FROM api_keys WHERE tenant_id IS NULL AND revoked_at IS NULL))
            ON CONFLICT (hash) DO UPDATE SET revoked_at = NULL WHERE api_keys.tenant_id IS NULL
            """
        );
        insert.Parameters.Add(SqlValue.Of(Guid.CreateVersion7(now)));
        insert.Parameters.Add(SqlValue.Of(BootstrapName));
        insert.Parameters.Add(SqlValue.Of(ApiKey.PrefixOf(key)));
        insert.Parameters.Add(SqlValue.Of(ApiKeyHash.Of(key).ToBytes()));
        insert.Parameters.Add(SqlValue.Of(now));
        insert.Parameters.Add(
            new NpgsqlParameter<bool> { TypedValue = onlyFirst, NpgsqlDbType = NpgsqlDbType.Boolean }
        );
        batch.BatchCommands.Add(insert);
        await batch.ExecuteNonQueryAsync(cancellationToken);
        return insert.RecordsAffected == 1;
    }

    private async Task InsertAsync(ApiKey key, ApiKeyHash hash, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(
            """
            INSERT INTO api_keys (id, tenant_id, name, prefix, hash, role, scopes, created_at, created_by, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """
        );
        command.Parameters.Add(SqlValue.Of(key.Id));
        command.Parameters.Add(SqlValue.Of(key.Tenant?.Value));
        command.Parameters.Add(SqlValue.Of(key.Name));
        command.Parameters.Add(SqlValue.Of(key.Prefix));
        command.Parameters.Add(SqlValue.Of(hash.ToBytes()));
        command.Parameters.Add(SqlValue.Of(key.Role));
        command.Parameters.Add(
            new NpgsqlParameter
            {
                Value = key.Scopes is { } scopes ? scopes.ToArray() : DBNull.Value,
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text,
            }
        );
        command.Parameters.Add(SqlValue.Of(key.CreatedAt));
        command.Parameters.Add(SqlValue.Of(key.CreatedBy));
        command.Parameters.Add(SqlValue.Of(key.ExpiresAt));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static ApiKey Read(NpgsqlDataReader row) =>
        new()
        {
            Id = row.GetGuid(0),
            Tenant = row.IsDBNull(1) ? null : new TenantId(row.GetGuid(1)),
            Name = row.GetString(2),
            Prefix = row.GetString(3),
            Role = row.GetString(4),
            Scopes = row.IsDBNull(5) ? null : row.GetFieldValue<string[]>(5),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(6),
            CreatedBy = row.GetString(7),
            ExpiresAt = row.IsDBNull(8) ? null : row.GetFieldValue<DateTimeOffset>(8),
            LastUsedAt = row.IsDBNull(9) ? null : row.GetFieldValue<DateTimeOffset>(9),
            RevokedAt = row.IsDBNull(10) ? null : row.GetFieldValue<DateTimeOffset>(10),
        };

    private static DateTimeOffset Microseconds(DateTimeOffset time) =>
        new(time.Ticks / TimeSpan.TicksPerMicrosecond * TimeSpan.TicksPerMicrosecond, time.Offset);
}
