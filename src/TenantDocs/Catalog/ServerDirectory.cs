using System.Text.RegularExpressions;
using TenantDocs.Isolation;

namespace TenantDocs.Catalog;

/// <summary>Whether new tenants are placed on a server.</summary>
public enum ServerStatus
{
    /// <summary>They are.</summary>
    Active,

    /// <summary>They are not; those on it stay.</summary>
    Draining,
}

/// <summary>A registered server and how full it is. Holds no secret.</summary>
/// <param name="Name">Its name in placements.</param>
/// <param name="Region">Where it is.</param>
/// <param name="Status">Whether new tenants are placed on it.</param>
/// <param name="Capacity">How many tenants it is meant to hold.</param>
/// <param name="Used">How many it holds; purged and failed ones do not count.</param>
public sealed record ServerUsage(string Name, string Region, ServerStatus Status, int Capacity, long Used);

/// <summary>The registered servers as the catalog knows them now.</summary>
public sealed partial class ServerDirectory(CatalogDatabase catalog, ServerConnections connections)
{
    /// <summary>All servers by name.</summary>
    public async Task<IReadOnlyList<ServerUsage>> ListAsync(CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(
            """
            SELECT s.name, s.region, s.status, s.capacity,
                   (SELECT count(*) FROM placements AS p JOIN tenants AS t ON t.id = p.tenant_id
                     WHERE p.server = s.name AND t.status NOT IN ('purged', 'failed'))
              FROM servers AS s
             ORDER BY s.name
            """
        );
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var servers = new List<ServerUsage>();
        while (await reader.ReadAsync(cancellationToken))
        {
            servers.Add(
                new ServerUsage(
                    reader.GetString(0),
                    reader.GetString(1),
                    CatalogText.Parse<ServerStatus>(reader.GetString(2)),
                    reader.GetInt32(3),
                    reader.GetInt64(4)
                )
            );
        }

        return servers;
    }

    /// <summary>Stops, or starts again, placing new tenants on a server. False when there is no such server.</summary>
    public async Task<bool> DrainAsync(string name, bool draining, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand("UPDATE servers SET status = $2 WHERE name = $1");
        command.Parameters.Add(SqlValue.Of(name));
        command.Parameters.Add(SqlValue.Of((draining ? ServerStatus.Draining : ServerStatus.Active).ToText()));
        if (await command.ExecuteNonQueryAsync(cancellationToken) == 0)
        {
            return false;
        }

        if (connections.Contains(name))
        {
            connections.Register(connections[name] with { Draining = draining });
        }

        return true;
    }

    /// <summary>Whether a text can be a server's name.</summary>
    public static bool IsName(string text) => Form().IsMatch(text);

    [GeneratedRegex("^[a-z0-9][a-z0-9-]{0,62}\\z", RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}
