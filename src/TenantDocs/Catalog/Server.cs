namespace TenantDocs.Catalog;

/// <summary>A PostgreSQL cluster that holds tenants.</summary>
/// <param name="Name">Its name in placements.</param>
/// <param name="Region">Where it is, for residency rules.</param>
/// <param name="ConnectionString">How its administrator connects (may create roles and databases). Never shown.</param>
/// <param name="RoleSecret">From which the passwords of the platform's roles on it are derived. Never shown.</param>
/// <param name="Capacity">How many tenants it is meant to hold.</param>
/// <param name="Draining">No new tenant is placed on it.</param>
public sealed record Server(
    string Name,
    string Region,
    string ConnectionString,
    string RoleSecret,
    int Capacity,
    bool Draining
)
{
    /// <summary>Name and region only: a server's secrets reach no log.</summary>
    public override string ToString() => $"{Name} ({Region})";
}
