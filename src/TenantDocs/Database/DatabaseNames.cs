using TenantDocs.Catalog;

namespace TenantDocs.Database;

/// <summary>The names of the platform's databases, schemas and roles on every server.</summary>
/// <param name="Prefix">Leads every database name; roles do not carry it: one platform per server.</param>
public sealed record DatabaseNames(string Prefix = "tenantdocs")
{
    /// <summary>Owns every object, cannot log in, is subject to the policies (FORCE).</summary>
    public static readonly PgIdentifier OwnerRole = new("tenantdocs_owner");

    /// <summary>Serves requests: owns nothing, no BYPASSRLS.</summary>
    public static readonly PgIdentifier AppRole = new("tenantdocs_app");

    /// <summary>Owns the audited search function only; cannot log in.</summary>
    public static readonly PgIdentifier SearchRole = new("tenantdocs_search");

    /// <summary>Moves tenants (REPLICATION, BYPASSRLS); never serves a request.</summary>
    public static readonly PgIdentifier MoverRole = new("tenantdocs_mover");

    /// <summary>Schema of the gate, in every database that holds tenants.</summary>
    public static readonly PgIdentifier GateSchema = new("tenantdocs");

    /// <summary>Schema of the shared tables.</summary>
    public static readonly PgIdentifier SharedSchema = new("shared");

    /// <summary>Schema of the tables in a tenant's own database.</summary>
    public static readonly PgIdentifier DedicatedSchema = new("tenant");

    /// <summary>Schema that new tenant schemas are cloned from.</summary>
    public static readonly PgIdentifier TemplateSchema = new("template");

    /// <summary>The control database.</summary>
    public PgIdentifier Catalog => new(Prefix + "_catalog");

    /// <summary>Holds the tenants of the shared model.</summary>
    public PgIdentifier SharedDatabase => new(Prefix + "_shared");

    /// <summary>Holds the tenants of the schema model.</summary>
    public PgIdentifier SchemaDatabase => new(Prefix + "_schemas");

    /// <summary>What tenant databases are created from; nobody may connect to it.</summary>
    public PgIdentifier TemplateDatabase => new(Prefix + "_template");

    /// <summary>A tenant's own schema. Opaque: it tells nobody the tenant's name.</summary>
    public static PgIdentifier SchemaOf(TenantId tenant) => new($"t_{tenant.Value:n}");

    /// <summary>A tenant's own database. Opaque, since every login role can list database names.</summary>
    public PgIdentifier DatabaseOf(TenantId tenant) => new($"{Prefix}_t_{tenant.Value:n}");
}
