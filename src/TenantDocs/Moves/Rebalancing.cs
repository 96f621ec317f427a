using TenantDocs.Catalog;
using TenantDocs.Operations;
using TenantDocs.Provisioning;

namespace TenantDocs.Moves;

/// <summary>A tenant that could be moved to level the servers.</summary>
/// <param name="Slug">Its slug.</param>
/// <param name="Server">Where it is.</param>
/// <param name="Region">Where its data must stay; null = anywhere.</param>
public sealed record MovableTenant(string Slug, string Server, string? Region)
{
    /// <summary>Why it cannot be moved now, in words; null when it can.</summary>
    public string? Stays { get; init; }

    /// <summary>
    /// Whether a move can still be taken back. Another one would end that: so only a draining server is worth it.
    /// </summary>
    public bool HasWayBack { get; init; }
}

/// <summary>A proposed move.</summary>
/// <param name="Tenant">Who.</param>
/// <param name="From">Server now.</param>
/// <param name="To">Server to be; null: the tenant has to stay.</param>
/// <param name="Reason">Why, in words.</param>
public sealed record RebalanceMove(string Tenant, string From, string? To, string Reason);

/// <summary>What levels the servers.</summary>
/// <param name="Moves">In the order in which they should be made.</param>
/// <param name="Stuck">Tenants of draining servers that cannot move, with the reason.</param>
public sealed record RebalancePlan(IReadOnlyList<RebalanceMove> Moves, IReadOnlyList<RebalanceMove> Stuck);

/// <summary>
/// Chooses moves, greedily and explainably: first everything off a draining server, then from the fullest server to the
/// emptiest while their fill differs by more than the threshold. A tenant never leaves its region.
/// </summary>
public static class Rebalance
{
    /// <summary>Plans.</summary>
    /// <param name="servers">All servers.</param>
    /// <param name="tenants">All tenants, in the order in which they would be chosen.</param>
    /// <param name="threshold">The difference of fill (0–1) that is left alone.</param>
    public static RebalancePlan Plan(
        IReadOnlyList<ServerLoad> servers,
        IReadOnlyList<MovableTenant> tenants,
        double threshold
    )
    {
        var used = servers.ToDictionary(s => s.Name, s => s.Used);
        var moves = new List<RebalanceMove>();
        var stuck = new List<RebalanceMove>();
        double Fill(ServerLoad server) => (double)used[server.Name] / server.Capacity;
        void Move(MovableTenant tenant, ServerLoad to, string reason)
        {
            moves.Add(new RebalanceMove(tenant.Slug, tenant.Server, to.Name, reason));
            used[tenant.Server]--;
            used[to.Name]++;
        }

        foreach (var tenant in tenants.Where(t => servers.Any(s => s.Name == t.Server && s.Draining)))
        {
            var to = servers.Where(s => Takes(s, tenant, used)).OrderBy(Fill).ThenBy(s => s.Name).FirstOrDefault();
            if (tenant.Stays is null && to is not null)
            {
                Move(tenant, to, $"{tenant.Server} is draining");
            }
            else
            {
                var why = tenant.Stays ?? "no server of its region has room";
                stuck.Add(new RebalanceMove(tenant.Slug, tenant.Server, null, why));
            }
        }

        var left = tenants
            .Where(t => t is { Stays: null, HasWayBack: false } && moves.All(m => m.Tenant != t.Slug))
            .ToList();
        while (NextLevelling(servers, left, used, Fill, threshold) is var (tenant, from, to))
        {
            Move(
                tenant,
                to,
                FormattableString.Invariant($"{from.Name} is {Fill(from):p0} full, {to.Name} {Fill(to):p0}")
            );
            left.Remove(tenant);
        }

        return new RebalancePlan(moves, stuck);
    }

    private static (MovableTenant Tenant, ServerLoad From, ServerLoad To)? NextLevelling(
        IReadOnlyList<ServerLoad> servers,
        List<MovableTenant> tenants,
        Dictionary<string, long> used,
        Func<ServerLoad, double> fill,
        double threshold
    )
    {
        foreach (var from in servers.Where(s => !s.Draining).OrderByDescending(fill).ThenBy(s => s.Name))
        {
            foreach (var to in servers.Where(s => s != from).OrderBy(fill).ThenBy(s => s.Name))
            {
                // Only when the two are still in that order afterwards: else the next round would undo it.
                var levels =
                    fill(from) - fill(to) > threshold
                    && (double)(used[from.Name] - 1) / from.Capacity >= (double)(used[to.Name] + 1) / to.Capacity;
                if (levels && tenants.Find(t => t.Server == from.Name && Takes(to, t, used)) is { } tenant)
                {
                    return (tenant, from, to);
                }
            }
        }

        return null;
    }

    private static bool Takes(ServerLoad server, MovableTenant tenant, Dictionary<string, long> used) =>
        !server.Draining
        && server.Name != tenant.Server
        && used[server.Name] < server.Capacity
        && (tenant.Region is null || tenant.Region == server.Region);
}

/// <summary>Levels the servers of the platform.</summary>
public sealed class Rebalancing(CatalogDatabase catalog, TenantPlacing placing, TenantMoves moves)
{
    private const string TenantsSql = """
        SELECT t.slug, p.server, t.region,
               CASE WHEN t.status NOT IN ('active', 'suspended') THEN 'its status is ' || t.status
                    WHEN busy.type IS NOT NULL THEN 'its operation of the type ' || busy.type || ' is not finished' END,
               EXISTS (SELECT FROM operations AS o
                        WHERE o.tenant_id = t.id AND o.type = 'moveRetention' AND o.finished_at IS NULL)
          FROM tenants AS t
          JOIN placements AS p ON p.tenant_id = t.id
          LEFT JOIN operations AS busy
            ON busy.tenant_id = t.id AND busy.exclusive
               AND busy.status IN ('pending', 'running', 'waiting', 'cancelling')
         WHERE t.status <> 'purged'
         ORDER BY t.created_at DESC, t.id DESC
        """;

    /// <summary>What would level them; changes nothing.</summary>
    public async Task<RebalancePlan> PlanAsync(double threshold, CancellationToken cancellationToken)
    {
        var tenants = new List<MovableTenant>();
        await using (var command = catalog.Source.CreateCommand(TenantsSql))
        {
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                var region = reader.IsDBNull(2) ? null : reader.GetString(2);
                tenants.Add(
                    new MovableTenant(reader.GetString(0), reader.GetString(1), region)
                    {
                        Stays = reader.IsDBNull(3) ? null : reader.GetString(3),
                        HasWayBack = reader.GetBoolean(4),
                    }
                );
            }
        }

        return Rebalance.Plan(await placing.LoadAsync(cancellationToken), tenants, threshold);
    }

    /// <summary>Begins one move of a plan. The queue keeps the order and the limit per server.</summary>
    public Task<Result<StartedOperation>> BeginAsync(
        RebalanceMove move,
        string actor,
        CancellationToken cancellationToken
    ) => moves.StartAsync(move.Tenant, new MoveRequest { Server = move.To }, false, actor, cancellationToken);
}
