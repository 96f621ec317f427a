using System.Globalization;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Moves;

/// <summary>Looks at both sides before anything is made: what would move, what forbids it, how long it will take.</summary>
/// <param name="servers">Of the fleet.</param>
/// <param name="catalog">Tells which operations go on.</param>
/// <param name="heldFor">How long a request waits for a move at most.</param>
internal sealed class MovePlanner(ServerConnections servers, CatalogDatabase catalog, TimeSpan heldFor)
{
    /// <summary>The note of a plan that there will be no rollback.</summary>
    public const string NoWayBack = "no-way-back";

    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AsLongAsItTakes = TimeSpan.Zero;

    // What takes longer to count is not small.
    private static readonly TimeSpan Glance = TimeSpan.FromSeconds(2);

    private const string FactsSql = """
        SELECT current_setting('wal_level'),
               current_setting('max_replication_slots')::int - (SELECT count(*)::int FROM pg_replication_slots),
               current_setting('max_wal_senders')::int - (SELECT count(*)::int FROM pg_stat_replication),
               (SELECT rolreplication AND rolbypassrls FROM pg_roles WHERE rolname = current_user),
               has_parameter_privilege('session_replication_role', 'SET'),
               current_setting('server_encoding'),
               (SELECT max(version) FROM tenantdocs.schema_version WHERE area = 'tenant' AND target = $1),
               (SELECT max(version) FROM tenantdocs.schema_version WHERE area = 'host'),
               current_setting('server_version_num')::int / 10000,
               (SELECT format('%s, %s', datcollate, datctype) FROM pg_database WHERE datname = current_database())
        """;

    private const string OperationsSql = """
        SELECT o.type, o.id, o.exclusive, coalesce(o.input ->> 'move', '') FROM operations AS o
         WHERE o.tenant_id = $1 AND o.finished_at IS NULL AND o.id IS DISTINCT FROM $2
           AND (o.exclusive OR (o.type = 'moveRetention' AND o.step = 0))
        """;

    /// <summary>Plans a leg.</summary>
    /// <param name="leg">What is asked for.</param>
    /// <param name="tenant">Whose.</param>
    /// <param name="own">The operation that asks, when it is the move itself.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<MovePlan> PlanAsync(MoveLeg leg, Tenant tenant, Guid? own, CancellationToken cancellationToken)
    {
        var blockers = new List<MoveFinding>();
        var notes = new List<MoveFinding>();
        JudgeCatalog(leg, tenant, blockers);
        await JudgeOperationsAsync(leg, own, blockers, notes, cancellationToken);
        var tables = new List<MoveTableSize>();
        var source = await LookAsync(leg.Source, leg.Source.Schema, "source", blockers, cancellationToken);
        if (source is not null)
        {
            tables.AddRange(await SizesAsync(leg, AsLongAsItTakes, cancellationToken));
        }

        // The target may be a database that does not exist yet: its server's schema database tells the same.
        var (probe, schema) = Probe(leg.Target);
        var target = await LookAsync(probe, schema, "target", blockers, cancellationToken);
        if (source is not null && target is not null)
        {
            Compare(leg, source, target, tables.Sum(t => t.Bytes), blockers, notes);
        }

        return new MovePlan
        {
            Tenant = leg.Slug,
            From = new MoveSide(leg.Source.Isolation, leg.Source.Server),
            To = new MoveSide(leg.Target.Isolation, leg.Target.Server),
            Method = leg.UnderFence ? "underFence" : "online",
            Tables = tables,
            EstimatedSeconds = Math.Round(1 + (tables.Sum(t => t.Bytes) / HoldPlan.BytesPerSecond), 1),
            MaxWritePauseMs = leg.MaxPauseMs,
            Blockers = blockers,
            Notes = notes,
        };
    }

    /// <summary>
    /// Whether changes can be streamed from a place. True too when it cannot be reached now: the plan says that, and is the
    /// better reason.
    /// </summary>
    public async Task<bool> CanStreamAsync(Placement place, CancellationToken cancellationToken)
    {
        var (probe, schema) = Probe(place);
        var facts = await LookAsync(probe, schema, "", [], cancellationToken);
        return facts is null or { WalLevel: "logical" };
    }

    /// <summary>
    /// Whether a tenant is so small that it is to be held while it is copied. False when that cannot be seen now.
    /// </summary>
    /// <param name="leg">Who moves.</param>
    /// <param name="bytes">The most bytes of a small tenant's rows; 0: none is small.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<bool> IsTinyAsync(MoveLeg leg, int bytes, CancellationToken cancellationToken)
    {
        try
        {
            return bytes > 0
                && (await SizesAsync(leg, Glance, cancellationToken)).Sum(t => t.Bytes) is var size
                && size <= bytes
                && HoldPlan.PauseOf(size) <= leg.MaxPauseMs;
        }
        catch (Exception e) when (IsOutOfSight(e))
        {
            return false;
        }
    }

    private static (Placement Probe, PgIdentifier Schema) Probe(Placement place) =>
        place.Isolation is IsolationModel.Database
            ? (place with { Database = new PgIdentifier(SharedOf(place)) }, DatabaseNames.SharedSchema)
            : (place, place.Isolation is IsolationModel.Schema ? DatabaseNames.TemplateSchema : place.Schema);

    // A tenant's own database is named after the same prefix as the shared one.
    private static string SharedOf(Placement place) =>
        place.Database.Name[..place.Database.Name.LastIndexOf("_t_", StringComparison.Ordinal)] + "_shared";

    private static bool IsOutOfSight(Exception e) =>
        e is NpgsqlException or TimeoutException or System.Net.Sockets.SocketException;

    /// <summary>What the catalog alone forbids.</summary>
    public void JudgeCatalog(MoveLeg leg, Tenant tenant, List<MoveFinding> blockers)
    {
        if (tenant.Status is not (TenantStatus.Active or TenantStatus.Suspended))
        {
            blockers.Add(
                new(
                    "tenant-state",
                    $"The tenant is {tenant.Status.ToText()}; only an active or suspended one can move."
                )
            );
        }

        if (tenant.Placement != leg.Source)
        {
            blockers.Add(new("tenant-moved", "The tenant has moved since this was asked for."));
        }

        if (!servers.Contains(leg.Target.Server))
        {
            blockers.Add(new("unknown-server", "No server of this name is registered."));
            return;
        }

        var target = servers[leg.Target.Server];
        if (tenant.Region is { } region && target.Region != region)
        {
            blockers.Add(
                new("region-forbidden", $"The tenant's data stays in {region}; this server is in {target.Region}.")
            );
        }

        if (target.Draining && leg.Target.Server != leg.Source.Server)
        {
            blockers.Add(new("server-draining", "The server is draining and takes no tenant."));
        }
    }

    private async Task JudgeOperationsAsync(
        MoveLeg leg,
        Guid? own,
        List<MoveFinding> blockers,
        List<MoveFinding> notes,
        CancellationToken cancellationToken
    )
    {
        await using var command = catalog.Source.CreateCommand(OperationsSql);
        command.Parameters.Add(SqlValue.Of(leg.Tenant));
        command.Parameters.Add(SqlValue.Of(own));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            if (reader.GetBoolean(2))
            {
                blockers.Add(
                    new(
                        "operation-in-progress",
                        $"The tenant's operation {reader.GetGuid(1)} ({reader.GetString(0)}) has not ended. Wait for it, or cancel it."
                    )
                );
            }
            else
            {
                notes.Add(
                    new(
                        "ends-way-back",
                        $"The move {reader.GetString(3)} can be taken back now; this one ends that, also when it is given up."
                    )
                );
            }
        }
    }

    private async Task<SideFacts?> LookAsync(
        Placement place,
        PgIdentifier schema,
        string side,
        List<MoveFinding> blockers,
        CancellationToken cancellationToken
    )
    {
        if (!servers.Contains(place.Server))
        {
            return null;
        }

        try
        {
            await using var connection = await servers.OpenMoverAsync(
                place.Server,
                place.Database,
                "tenantdocs-move plan",
                Silence,
                cancellationToken
            );
            await using var command = new NpgsqlCommand(FactsSql, connection);
            command.Parameters.Add(SqlValue.Of(schema.Name));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            await reader.ReadAsync(cancellationToken);
            return new SideFacts(
                reader.GetString(0),
                reader.GetInt32(1),
                reader.GetInt32(2),
                reader.GetBoolean(3),
                reader.GetBoolean(4),
                reader.GetString(5),
                reader.IsDBNull(6) ? 0 : reader.GetInt32(6),
                reader.IsDBNull(7) ? 0 : reader.GetInt32(7),
                reader.GetInt32(8),
                reader.GetString(9)
            );
        }
        catch (Exception e) when (IsOutOfSight(e))
        {
            blockers.Add(
                new(
                    "server-unreachable",
                    $"The {side} server '{place.Server}' cannot be reached, or refuses the mover."
                )
            );
            return null;
        }
    }

    private async Task<IReadOnlyList<MoveTableSize>> SizesAsync(
        MoveLeg leg,
        TimeSpan atMost,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await servers.OpenMoverAsync(
            leg.Source.Server,
            leg.Source.Database,
            "tenantdocs-move plan",
            atMost,
            cancellationToken
        );
        var tables = await MoveTables.ReadAsync(connection, leg.Source.Schema, cancellationToken);
        var shared = leg.Source.Isolation is IsolationModel.Shared;
        var sizes = new List<MoveTableSize>();
        foreach (var table in tables)
        {
            // In a shared table the rows' own sizes count; elsewhere the table's is the tenant's.
            var bytes = shared
                ? "coalesce(sum(pg_column_size(t.*)), 0)"
                : $"pg_table_size('{table.Schema.Name}.{table.Name.Name}')";
            await using var command = new NpgsqlCommand(
                $"SELECT count(*), {bytes}::bigint FROM {table.Quoted} AS t WHERE t.tenant_id = $1",
                connection
            );
            command.Parameters.Add(SqlValue.Of(leg.Tenant));
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            await reader.ReadAsync(cancellationToken);
            sizes.Add(new MoveTableSize(table.Name.Name, reader.GetInt64(0), reader.GetInt64(1)));
        }

        return sizes;
    }

    private void Compare(
        MoveLeg leg,
        SideFacts source,
        SideFacts target,
        long bytes,
        List<MoveFinding> blockers,
        List<MoveFinding> notes
    )
    {
        if (source.TenantVersion != target.TenantVersion || source.HostVersion != target.HostVersion)
        {
            blockers.Add(
                new(
                    "schema-version",
                    $"The tables of the source are at version {Number(source.TenantVersion)}, those of the target at "
                        + $"{Number(target.TenantVersion)}. Migrate both to the same version first."
                )
            );
        }

        if (target.Major < source.Major || source.Encoding != target.Encoding)
        {
            blockers.Add(
                new(
                    "server-version",
                    $"The source is PostgreSQL {Number(source.Major)} with {source.Encoding}, the target "
                        + $"{Number(target.Major)} with {target.Encoding}: a tenant moves to the same version or a newer one, and to "
                        + "the same encoding."
                )
            );
        }

        if (source.Collation != target.Collation)
        {
            notes.Add(
                new(
                    "collation",
                    $"The databases differ in collation ({source.Collation}; {target.Collation}): what is ordered by it may come "
                        + "in another order afterwards."
                )
            );
        }

        if (!target.CanReplicate || !source.CanReplicate || !target.CanReplay)
        {
            blockers.Add(
                new(
                    "missing-privilege",
                    "The mover role lacks REPLICATION, BYPASSRLS or the right to set session_replication_role."
                )
            );
        }

        if (leg.UnderFence)
        {
            HoldPlan.Judge(leg, source.WalLevel == "logical", bytes, heldFor, blockers, notes);
        }
        else if (source.FreeSlots < 1 || source.FreeSenders < 1)
        {
            blockers.Add(
                new(
                    "slot-limit",
                    "The source server has no free replication slot or sender. Free one, or raise the limit."
                )
            );
        }

        // On one server, the way there takes a slot and a sender too.
        var needed = leg.Target.Server == leg.Source.Server ? 2 : 1;
        if (target.WalLevel != "logical" || target.FreeSlots < needed || target.FreeSenders < needed || leg.UnderFence)
        {
            notes.Add(
                new(
                    NoWayBack,
                    leg.UnderFence
                        ? "The tenant is copied while its writes are held, not streamed: there will be no rollback."
                        : "Changes cannot be streamed back from the target: there will be no rollback. Where that is not for "
                            + "want of wal_level = logical, free a replication slot or sender there first."
                )
            );
        }
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private sealed record SideFacts(
        string WalLevel,
        int FreeSlots,
        int FreeSenders,
        bool CanReplicate,
        bool CanReplay,
        string Encoding,
        int TenantVersion,
        int HostVersion,
        int Major,
        string Collation
    );
}
