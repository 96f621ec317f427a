using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Provisioning;

/// <summary>
/// Brings the fence in a tenant's database in line with the catalog's word on the tenant's condition. The catalog is
/// changed first: it rules by itself within seconds, the fence makes it strict.
/// </summary>
public sealed partial class TenantFence(
    OperatorConnections connections,
    CatalogDatabase database,
    TenantCatalog catalog,
    IOptions<ProvisioningOptions> options,
    TimeProvider time,
    ILogger<TenantFence> logger
)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// The end of a statement that changes a tenant's condition, whose table <c>changed</c> has its id and version: notes that
    /// the fence is behind. Returns a row for each.
    /// </summary>
    internal const string MarkSql = """
        INSERT INTO fences_behind AS b (tenant_id, version, tried_at) SELECT id, version, now() FROM changed
        ON CONFLICT (tenant_id) DO UPDATE SET version = greatest(b.version, EXCLUDED.version), tried_at = now()
        RETURNING 1
        """;

    private const string MarkOneSql = "WITH changed AS (SELECT id, version FROM tenants WHERE id = $1) " + MarkSql;

    private const string UnmarkSql = "DELETE FROM fences_behind WHERE tenant_id = $1 AND version <= $2";

    // Each turn begins with those that were not tried for the longest time: a server that is away holds up nobody for ever.
    private const string BehindSql = """
        SELECT tenant_id FROM fences_behind WHERE tried_at <= now() - make_interval(secs => $1) ORDER BY tried_at LIMIT $2
        """;

    private const int MostAtOnce = 20;

    /// <summary>What the fence lets in while the catalog says this.</summary>
    public static AccessMode AccessFor(Tenant tenant) =>
        tenant.Status switch
        {
            TenantStatus.Active or TenantStatus.Provisioning => tenant.AccessMode,
            // Reads stay possible, offline or not: a suspended tenant may still see its usage. Admission keeps the rest out.
            TenantStatus.Suspended => AccessMode.ReadOnly,
            _ => AccessMode.Offline,
        };

    /// <summary>
    /// Aligns the fence. When this returns true, no write that was admitted under an older condition is on its way.
    /// False: the tenant's database could not be reached or a move holds it; it is tried again later by itself. A tenant
    /// that was never provisioned has no home and no fence: there is nothing to align.
    /// </summary>
    /// <remarks>
    /// Two callers may place their fences in the other order than their catalog changes. So each looks at the catalog
    /// again after its fence: whoever comes last, comes last with the catalog's newest word.
    /// </remarks>
    public async Task<bool> AlignAsync(Tenant tenant, CancellationToken cancellationToken)
    {
        if (tenant.SchemaVersion == 0)
        {
            await UnmarkAsync(tenant.Id, tenant.Version, cancellationToken);
            return true;
        }

        var start = time.GetTimestamp();
        while (true)
        {
            if (await TryPlaceAsync(tenant, cancellationToken) is var placed && placed is Placed.Unreachable)
            {
                await MarkAsync(tenant.Id, cancellationToken);
                return false;
            }

            var newest = await catalog.FindAsync(tenant.Id, cancellationToken);
            if (newest is null || (placed is Placed.Yes && IsSame(newest, tenant)))
            {
                await UnmarkAsync(tenant.Id, newest?.Version ?? tenant.Version, cancellationToken);
                return true;
            }

            if (placed is Placed.NewerEpoch && newest.Placement.Epoch == tenant.Placement.Epoch)
            {
                // A move is in its last milliseconds: its end brings the newer epoch into the catalog.
                if (time.GetElapsedTime(start) > options.Value.FenceTimeout)
                {
                    await MarkAsync(tenant.Id, cancellationToken);
                    return false;
                }

                await Task.Delay(Pause, time, cancellationToken);
            }

            tenant = newest;
        }
    }

    /// <summary>Tries again what is not aligned, of whatever process: it may have died, or its server may have been away.</summary>
    /// <param name="age">Leaves alone what was tried since: somebody may be about it.</param>
    /// <param name="cancellationToken">Ends between two tenants.</param>
    internal async Task CatchUpAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        foreach (var id in await BehindAsync(age, cancellationToken))
        {
            if (await catalog.FindAsync(id, cancellationToken) is { Status: not TenantStatus.Purged } tenant)
            {
                await AlignAsync(tenant, cancellationToken);
            }
            else
            {
                await UnmarkAsync(id, long.MaxValue, cancellationToken);
            }
        }
    }

    /// <summary>Some tenants whose fence is behind, those first that were not tried for the longest time.</summary>
    internal async Task<IReadOnlyList<TenantId>> BehindAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        await using var command = database.Source.CreateCommand(BehindSql);
        command.Parameters.Add(new NpgsqlParameter<double> { TypedValue = age.TotalSeconds });
        command.Parameters.Add(SqlValue.Of(MostAtOnce));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var behind = new List<TenantId>();
        while (await reader.ReadAsync(cancellationToken))
        {
            behind.Add(new TenantId(reader.GetGuid(0)));
        }

        return behind;
    }

    private async Task MarkAsync(TenantId tenant, CancellationToken cancellationToken)
    {
        await using var command = database.Source.CreateCommand(MarkOneSql);
        command.Parameters.Add(SqlValue.Of(tenant.Value));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task UnmarkAsync(TenantId tenant, long version, CancellationToken cancellationToken)
    {
        await using var command = database.Source.CreateCommand(UnmarkSql);
        command.Parameters.Add(SqlValue.Of(tenant.Value));
        command.Parameters.Add(SqlValue.Of(version));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>The call that creates or changes a fence; its transaction waits for the tenant's running writes.</summary>
    internal static NpgsqlBatchCommand Place(
        TenantId tenant,
        long epoch,
        string state,
        AccessMode access,
        PgIdentifier schema
    ) =>
        new("SELECT tenantdocs.place_fence($1, $2, $3, $4, $5)")
        {
            Parameters =
            {
                SqlValue.Of(tenant.Value),
                SqlValue.Of(epoch),
                SqlValue.Of(state),
                SqlValue.Of(access.ToText()),
                SqlValue.Of(schema.Name),
            },
        };

    private async Task<Placed> TryPlaceAsync(Tenant tenant, CancellationToken cancellationToken)
    {
        var home = tenant.Placement;
        try
        {
            await using var connection = await OpenAsync(home, cancellationToken);
            await using var batch = new NpgsqlBatch(connection);
            var limit = ((long)options.Value.FenceTimeout.TotalMilliseconds).ToString(
                System.Globalization.CultureInfo.InvariantCulture
            );
            batch.BatchCommands.Add(
                new NpgsqlBatchCommand("SELECT set_config('lock_timeout', $1, true)")
                {
                    Parameters = { SqlValue.Of(limit) },
                }
            );
            batch.BatchCommands.Add(Place(tenant.Id, home.Epoch, "active", AccessFor(tenant), home.Schema));
            await batch.ExecuteNonQueryAsync(cancellationToken);
            return Placed.Yes;
        }
        catch (PostgresException e) when (e.SqlState == TenantSqlState.OlderEpoch)
        {
            return Placed.NewerEpoch;
        }
        catch (Exception e)
            when (e is NpgsqlException or TimeoutException && !cancellationToken.IsCancellationRequested)
        {
            FenceUnreachable(logger, e, tenant.Id.Value);
            return Placed.Unreachable;
        }
    }

    // Whoever changes the condition waits for the answer: a host that is silent must not cost the driver's whole patience,
    // which no cancellation shortens while a connection is being made.
    private async Task<NpgsqlConnection> OpenAsync(Placement home, CancellationToken cancellationToken)
    {
        var opening = connections.OpenAsync(home.Server, home.Database, SessionRole.Mover, cancellationToken);
        try
        {
            return await opening.WaitAsync(options.Value.FenceTimeout, time, cancellationToken);
        }
        catch
        {
            _ = opening.ContinueWith(
                static opened => opened.Result.Dispose(),
                CancellationToken.None,
                TaskContinuationOptions.OnlyOnRanToCompletion,
                TaskScheduler.Default
            );
            throw;
        }
    }

    private static bool IsSame(Tenant a, Tenant b) => AccessFor(a) == AccessFor(b) && a.Placement == b.Placement;

    [LoggerMessage(
        4001,
        LogLevel.Error,
        "The fence of tenant {Tenant} could not be changed; the catalog's word holds, and it is tried again."
    )]
    private static partial void FenceUnreachable(ILogger logger, Exception exception, Guid tenant);

    private enum Placed
    {
        Yes,
        NewerEpoch,
        Unreachable,
    }
}
