using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Database;

/// <summary>What became of one tenant's tables.</summary>
/// <param name="Slug">The tenant.</param>
/// <param name="From">Version before.</param>
/// <param name="To">Version after.</param>
/// <param name="Problem">Why it stayed behind, in words; null when it did not.</param>
public sealed record MigratedTenant(string Slug, int From, int To, string? Problem);

/// <summary>Brings the tables of tenants that are behind to the newest version, one tenant after the other.</summary>
/// <remarks>A tenant with an unfinished operation is left alone: a copy of its rows must not meet a change of its tables.</remarks>
public sealed class TenantMigration(CatalogDatabase catalog, ServerBootstrap bootstrap, TimeProvider time)
{
    private sealed record Behind(TenantId Id, string Slug, int Version, Placement Placement, bool IsBusy);

    /// <summary>Migrates all of them; a failure of one does not keep the others from it.</summary>
    /// <exception cref="NpgsqlException">The catalog cannot be reached.</exception>
    public async Task<IReadOnlyList<MigratedTenant>> RunAsync(CancellationToken cancellationToken)
    {
        var done = new List<MigratedTenant>();
        foreach (var tenant in await ListAsync(cancellationToken))
        {
            cancellationToken.ThrowIfCancellationRequested();
            done.Add(await MigrateAsync(tenant, cancellationToken));
        }

        return done;
    }

    private async Task<MigratedTenant> MigrateAsync(Behind tenant, CancellationToken cancellationToken)
    {
        if (tenant.IsBusy)
        {
            return Stays(tenant, "An operation on it is not finished. Run again afterwards.");
        }

        try
        {
            var (place, latest) = (tenant.Placement, MigrationSet.Tenant.Latest);
            await bootstrap.MigrateAsync(place.Server, place.Database, place.Schema, cancellationToken);
            await using var command = catalog.Source.CreateCommand(
                """
                UPDATE tenants SET schema_version = $2, version = version + 1, updated_at = $3
                 WHERE id = $1 AND schema_version < $2
                """
            );
            command.Parameters.Add(SqlValue.Of(tenant.Id.Value));
            command.Parameters.Add(SqlValue.Of(latest));
            command.Parameters.Add(SqlValue.Of(time.GetUtcNow()));
            await command.ExecuteNonQueryAsync(cancellationToken);
            return new MigratedTenant(tenant.Slug, tenant.Version, latest, null);
        }
        catch (Exception e)
            when (e is NpgsqlException or TimeoutException or MigrationException or KeyNotFoundException)
        {
            return Stays(tenant, e.Message);
        }
    }

    private static MigratedTenant Stays(Behind tenant, string problem) =>
        new(tenant.Slug, tenant.Version, tenant.Version, problem);

    private async Task<IReadOnlyList<Behind>> ListAsync(CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(
            TenantCatalog.Columns
                + """
                 WHERE t.status IN ('active', 'suspended', 'pendingDeletion') AND t.schema_version < $1
                 ORDER BY t.created_at, t.id
                """
        );
        command.Parameters.Add(SqlValue.Of(MigrationSet.Tenant.Latest));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var behind = new List<Behind>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var tenant = TenantCatalog.Read(reader);
            behind.Add(
                new Behind(
                    tenant.Id,
                    tenant.Slug,
                    tenant.SchemaVersion,
                    tenant.Placement,
                    tenant.ActiveOperation is not null
                )
            );
        }

        return behind;
    }
}
