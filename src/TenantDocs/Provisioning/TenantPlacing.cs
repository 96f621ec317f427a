using TenantDocs.Catalog;

namespace TenantDocs.Provisioning;

/// <summary>A server and how full it is.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Region">Where it is.</param>
/// <param name="Capacity">How many tenants it is meant to hold.</param>
/// <param name="Used">How many it holds.</param>
/// <param name="Draining">No new tenant is placed on it.</param>
public sealed record ServerLoad(string Name, string Region, int Capacity, long Used, bool Draining);

/// <summary>Chooses the server of a new tenant.</summary>
public sealed class TenantPlacing(CatalogDatabase catalog, TimeProvider time)
{
    // Counting the fleet for each new tenant would cost as much as making a small one. What another node does is seen
    // within this time; what this one does, at once.
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    private const string LoadSql = """
        SELECT s.name, s.region, s.capacity, s.status = 'draining',
               (SELECT count(*) FROM placements AS p JOIN tenants AS t ON t.id = p.tenant_id
                 WHERE p.server = s.name AND t.status NOT IN ('purged', 'failed'))
          FROM servers AS s ORDER BY s.name
        """;

    private readonly Lock _lock = new();
    private List<ServerLoad> _loads = [];
    private long _loadedAt;

    /// <summary>All servers, by name, as the catalog has them now.</summary>
    public async Task<IReadOnlyList<ServerLoad>> LoadAsync(CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(LoadSql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var servers = new List<ServerLoad>();
        while (await reader.ReadAsync(cancellationToken))
        {
            servers.Add(
                new ServerLoad(
                    reader.GetString(0),
                    reader.GetString(1),
                    reader.GetInt32(2),
                    reader.GetInt64(4),
                    reader.GetBoolean(3)
                )
            );
        }

        lock (_lock)
        {
            _loads = [.. servers];
            _loadedAt = time.GetTimestamp();
        }

        return servers;
    }

    /// <summary>The server asked for, else the one of the region that has most room and is not draining.</summary>
    public async Task<Result<string>> ChooseAsync(string? asked, string? region, CancellationToken cancellationToken)
    {
        var chosen = Choose(await RecentAsync(cancellationToken), asked, region);
        if (chosen.Error is null)
        {
            Count(chosen.Value);
        }

        return chosen;
    }

    private async Task<IReadOnlyList<ServerLoad>> RecentAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_loads.Count > 0 && time.GetElapsedTime(_loadedAt) < Fresh)
            {
                return [.. _loads];
            }
        }

        return await LoadAsync(cancellationToken);
    }

    private void Count(string server)
    {
        lock (_lock)
        {
            var index = _loads.FindIndex(l => l.Name == server);
            if (index >= 0)
            {
                _loads[index] = _loads[index] with { Used = _loads[index].Used + 1 };
            }
        }
    }

    private static Result<string> Choose(IReadOnlyList<ServerLoad> servers, string? asked, string? region)
    {
        if (region is not null && servers.All(s => s.Region != region))
        {
            return Error.Invalid("region", "No server is in this region.");
        }

        if (asked is not null)
        {
            return servers.FirstOrDefault(s => s.Name == asked) switch
            {
                null => Error.Invalid("server", "No server of this name is registered."),
                var named when region is not null && named.Region != region => Error.Invalid(
                    "server",
                    $"This server is in the region {named.Region}, not in {region}."
                ),
                { Draining: true } => new Error(
                    ErrorKind.Conflict,
                    "no-capacity",
                    "This server is draining and takes no new tenant. Choose another one, or none."
                ),
                var named => named.Name,
            };
        }

        var best = servers
            .Where(s => !s.Draining && (region is null || s.Region == region) && s.Used < s.Capacity)
            .OrderByDescending(s => s.Capacity - s.Used)
            .FirstOrDefault();
        return best is not null
            ? best.Name
            : new Error(ErrorKind.Conflict, "no-capacity", "No server has room for another tenant. Register one.");
    }
}
