using Npgsql;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Catalog;

/// <summary>Which tenants a list shows; null means any.</summary>
public sealed record TenantFilter
{
    /// <summary>Part of slug or name, whatever its case.</summary>
    public string? Search { get; init; }

    /// <summary>Model.</summary>
    public IsolationModel? Isolation { get; init; }

    /// <summary>Tier.</summary>
    public string? Tier { get; init; }

    /// <summary>Status; without it purged tenants are left out.</summary>
    public TenantStatus? Status { get; init; }

    /// <summary>Server.</summary>
    public string? Server { get; init; }

    /// <summary>Only tenants after this one in the list's order (creation, id).</summary>
    public (DateTimeOffset CreatedAt, Guid Id)? After { get; init; }

    /// <summary>At most so many. Default 50.</summary>
    public int Limit { get; init; } = 50;
}

/// <summary>Reads tenants from the control database, past every cache.</summary>
public sealed class TenantCatalog(CatalogDatabase catalog)
{
    internal const string Columns = """
        SELECT t.id, t.slug, t.name, t.tier, t.status, t.access_mode, t.region, t.language, t.suspend_reason, t.purge_at,
               t.schema_version, t.version, t.created_at, p.isolation, p.server, p.database_name, p.schema_name, p.epoch,
               (SELECT o.id FROM operations AS o
                 WHERE o.tenant_id = t.id AND o.exclusive AND o.status IN ('pending', 'running', 'waiting', 'cancelling')) AS operation
          FROM tenants AS t
          JOIN placements AS p ON p.tenant_id = t.id

        """;

    /// <summary>A tenant by id, purged ones too.</summary>
    public Task<Tenant?> FindAsync(TenantId id, CancellationToken cancellationToken) =>
        FirstAsync(Columns + " WHERE t.id = $1", SqlValue.Of(id.Value), cancellationToken);

    /// <summary>A tenant by slug; a purged tenant has none.</summary>
    public Task<Tenant?> FindBySlugAsync(string slug, CancellationToken cancellationToken) =>
        FirstAsync(Columns + " WHERE t.slug = $1 AND t.status <> 'purged'", SqlValue.Of(slug), cancellationToken);

    /// <summary>Tenants in order of creation.</summary>
    public async Task<IReadOnlyList<Tenant>> ListAsync(TenantFilter filter, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(
            Columns
                + """
                 WHERE ($1::text IS NULL OR strpos(lower(t.slug), lower($1)) > 0 OR strpos(lower(t.name), lower($1)) > 0)
                   AND ($2::text IS NULL OR p.isolation = $2)
                   AND ($3::text IS NULL OR t.tier = $3)
                   AND (t.status = $4 OR ($4::text IS NULL AND t.status <> 'purged'))
                   AND ($5::text IS NULL OR p.server = $5)
                   AND ($6::timestamptz IS NULL OR (t.created_at, t.id) > ($6, $7))
                 ORDER BY t.created_at, t.id
                 LIMIT $8
                """
        );
        command.Parameters.Add(SqlValue.Of(filter.Search));
        command.Parameters.Add(SqlValue.Of(filter.Isolation?.ToText()));
        command.Parameters.Add(SqlValue.Of(filter.Tier));
        command.Parameters.Add(SqlValue.Of(filter.Status?.ToText()));
        command.Parameters.Add(SqlValue.Of(filter.Server));
        command.Parameters.Add(SqlValue.Of(filter.After?.CreatedAt));
        command.Parameters.Add(SqlValue.Of(filter.After?.Id));
        command.Parameters.Add(SqlValue.Of(filter.Limit));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var tenants = new List<Tenant>();
        while (await reader.ReadAsync(cancellationToken))
        {
            tenants.Add(Read(reader));
        }

        return tenants;
    }

    internal static Tenant Read(NpgsqlDataReader row) =>
        new()
        {
            Id = new TenantId(row.GetGuid(0)),
            Slug = row.GetString(1),
            Name = row.GetString(2),
            Tier = row.GetString(3),
            Status = CatalogText.Parse<TenantStatus>(row.GetString(4)),
            AccessMode = CatalogText.Parse<AccessMode>(row.GetString(5)),
            Region = row.IsDBNull(6) ? null : row.GetString(6),
            Language = row.GetString(7),
            SuspendReason = row.IsDBNull(8) ? null : row.GetString(8),
            PurgeAt = row.IsDBNull(9) ? null : row.GetFieldValue<DateTimeOffset>(9),
            SchemaVersion = row.GetInt32(10),
            Version = row.GetInt64(11),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(12),
            Placement = new Placement(
                CatalogText.Parse<IsolationModel>(row.GetString(13)),
                row.GetString(14),
                new PgIdentifier(row.GetString(15)),
                new PgIdentifier(row.GetString(16)),
                row.GetInt64(17)
            ),
            ActiveOperation = row.IsDBNull(18) ? null : row.GetGuid(18),
        };

    private async Task<Tenant?> FirstAsync(string sql, NpgsqlParameter key, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(sql);
        command.CommandTimeout = CatalogNews.LookupSeconds;
        command.Parameters.Add(key);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? Read(reader) : null;
    }
}
