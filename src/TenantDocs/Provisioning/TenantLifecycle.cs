using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Documents;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Provisioning;

/// <summary>
/// Changes a tenant's condition: in the catalog, then in the fence of its database. When a call returns, no write that was
/// admitted under the old condition is on its way; if the database could not be reached, the catalog's word holds on
/// every node that reaches the catalog within 2 s.
/// </summary>
public sealed class TenantLifecycle(
    CatalogDatabase database,
    TenantCatalog catalog,
    TenantRoutes routes,
    TenantFence fence,
    OperationRequests requests,
    IOptions<ProvisioningOptions> options,
    TimeProvider time
)
{
    private const string NotAsJudged = "TD026";
    private const string Newer = "version = version + 1, updated_at = now() WHERE id = $1 AND version = $2";

    /// <summary>404 of the admin API.</summary>
    public static Error NoSuchTenant { get; } =
        new(ErrorKind.NotFound, "tenant-not-found", "There is no tenant of this name.");

    /// <summary>Refuses the tenant's people; its data is kept. A second reason replaces the first.</summary>
    public Task<Result<Tenant>> SuspendAsync(string slug, string reason, CancellationToken cancellationToken) =>
        ChangeAsync(
            slug,
            t => t.Status is TenantStatus.Active or TenantStatus.Suspended,
            "Only an active tenant can be suspended.",
            "status = 'suspended', suspend_reason = $3",
            [SqlValue.Of(reason)],
            cancellationToken
        );

    /// <summary>Ends a suspension.</summary>
    public Task<Result<Tenant>> ResumeAsync(string slug, CancellationToken cancellationToken) =>
        ChangeAsync(
            slug,
            t => t.Status is TenantStatus.Active or TenantStatus.Suspended,
            "Only a suspended tenant can be resumed.",
            "status = 'active', suspend_reason = NULL",
            [],
            cancellationToken
        );

    /// <summary>Says what the tenant's people may do.</summary>
    public Task<Result<Tenant>> SetAccessModeAsync(string slug, AccessMode mode, CancellationToken cancellationToken) =>
        ChangeAsync(
            slug,
            t => t.Status is TenantStatus.Active or TenantStatus.Suspended,
            "Only an active or suspended tenant has an access mode.",
            "access_mode = $3",
            [SqlValue.Of(mode.ToText())],
            cancellationToken
        );

    /// <summary>Marks the tenant for purging after the grace; refuses everybody from now on. Twice is once.</summary>
    public Task<Result<Tenant>> DeleteAsync(string slug, CancellationToken cancellationToken) =>
        ChangeAsync(
            slug,
            t => t.ActiveOperation is null && t.Status is not TenantStatus.Provisioning,
            "An operation of this tenant has not ended yet. Wait for it, or cancel it.",
            "status = 'pendingDeletion', purge_at = CASE WHEN status = 'pendingDeletion' THEN purge_at ELSE $3 END",
            [SqlValue.Of(time.GetUtcNow() + options.Value.DeletionGrace)],
            cancellationToken
        );

    /// <summary>Takes a deletion back, to what the tenant was before.</summary>
    public Task<Result<Tenant>> UndeleteAsync(string slug, CancellationToken cancellationToken) =>
        ChangeAsync(
            slug,
            t => t.Status is TenantStatus.PendingDeletion && t.ActiveOperation is null,
            "Only a tenant that is pending deletion, and not being purged, can be undeleted.",
            """
            status = CASE WHEN schema_version = 0 THEN 'failed' WHEN suspend_reason IS NOT NULL THEN 'suspended' ELSE 'active' END,
            purge_at = NULL
            """,
            [],
            cancellationToken
        );

    /// <summary>
    /// Changes what the tenant is called or written in; null when it is no longer as <paramref name="tenant"/> says. With
    /// another language begins, in the same transaction, the operation that indexes its documents again.
    /// </summary>
    public async Task<Tenant?> DescribeAsync(
        Tenant tenant,
        string? name,
        string? language,
        string actor,
        CancellationToken cancellationToken
    )
    {
        var changed =
            language is null || language == tenant.Language || tenant.SchemaVersion == 0
                ? await TryChangeAsync(
                    "UPDATE tenants SET name = coalesce($3, name), language = coalesce($4, language), "
                        + $"{Newer} RETURNING 1",
                    tenant,
                    [SqlValue.Of(name), SqlValue.Of(language)],
                    cancellationToken
                )
                : await TryTranslateAsync(tenant, name, language, actor, cancellationToken);
        routes.Forget(tenant.Id);
        return changed ? await catalog.FindAsync(tenant.Id, cancellationToken) : null;
    }

    /// <summary>Begins to remove a tenant that is pending deletion, for good. 404, 409.</summary>
    public async Task<Result<StartedOperation>> PurgeAsync(
        string slug,
        string actor,
        CancellationToken cancellationToken
    )
    {
        var tenant = await catalog.FindBySlugAsync(slug, cancellationToken);
        return tenant switch
        {
            null => NoSuchTenant,
            { Status: not TenantStatus.PendingDeletion } => Refused(
                tenant,
                "Only a tenant that is pending deletion can be purged: delete it first."
            ),
            _ => await requests.StartAsync(
                new NewOperation(PurgeOperation.TypeName, PurgeInput.Of(tenant), actor)
                {
                    Tenant = tenant.Id,
                    TenantSlug = tenant.Slug,
                },
                cancellationToken
            ),
        };
    }

    /// <summary>409 with the tenant's condition.</summary>
    internal static Error Refused(Tenant tenant, string detail) =>
        new(ErrorKind.Conflict, "invalid-state", $"{detail} It is {tenant.Status.ToText()}; nothing was changed.")
        {
            Extensions = new Dictionary<string, object?> { ["tenantStatus"] = tenant.Status.ToText() },
        };

    private async Task<Result<Tenant>> ChangeAsync(
        string slug,
        Func<Tenant, bool> admits,
        string refusal,
        string change,
        NpgsqlParameter[] parameters,
        CancellationToken cancellationToken
    )
    {
        while (true)
        {
            var tenant = await catalog.FindBySlugAsync(slug, cancellationToken);
            if (tenant is null)
            {
                return NoSuchTenant;
            }

            if (!admits(tenant))
            {
                return Refused(tenant, refusal);
            }

            var marked =
                $"WITH changed AS (UPDATE tenants SET {change}, {Newer} RETURNING id, version) {TenantFence.MarkSql}";
            if (await TryChangeAsync(marked, tenant, parameters, cancellationToken))
            {
                // This node needs no notification; the others get theirs by the trigger.
                routes.Forget(tenant.Id);
                var changed = await catalog.FindAsync(tenant.Id, cancellationToken);
                await fence.AlignAsync(changed!, cancellationToken);
                return changed!;
            }
        }
    }

    private async Task<bool> TryTranslateAsync(
        Tenant tenant,
        string? name,
        string language,
        string actor,
        CancellationToken cancellationToken
    )
    {
        var change = new CatalogWrites().Add(
            $"""
            WITH changed AS (
                UPDATE tenants
                   SET name = coalesce($3, name), language = $4, version = version + 1, updated_at = now()
                 WHERE id = $1 AND version = $2
                RETURNING 1)
            SELECT require((SELECT count(*) FROM changed) = 1, '{NotAsJudged}', 'the tenant was changed since')
            """,
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(tenant.Version),
            SqlValue.Of(name),
            SqlValue.Of(language)
        );
        try
        {
            await requests.StartAsync(ReindexOperation.For(tenant, language, actor), cancellationToken, change);
            return true;
        }
        catch (PostgresException e) when (e.SqlState == NotAsJudged)
        {
            return false;
        }
    }

    // Only while the tenant is still what was judged: somebody else's change is judged again.
    private async Task<bool> TryChangeAsync(
        string change,
        Tenant tenant,
        NpgsqlParameter[] parameters,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.Source.CreateCommand(change);
        command.Parameters.Add(SqlValue.Of(tenant.Id.Value));
        command.Parameters.Add(SqlValue.Of(tenant.Version));
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter.Clone());
        }

        return await command.ExecuteScalarAsync(cancellationToken) is not null;
    }
}
