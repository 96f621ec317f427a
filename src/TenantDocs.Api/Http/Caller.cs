namespace TenantDocs.Api.Http;

/// <summary>What a member of a tenant may do, from least to most.</summary>
internal enum Role
{
    /// <summary>Reads. Also everybody whose role is missing or unknown.</summary>
    Viewer,

    /// <summary>Reads and changes documents.</summary>
    Editor,

    /// <summary>Also manages members, keys and settings.</summary>
    Admin,

    /// <summary>Everything.</summary>
    Owner,
}

/// <summary>What kind of credential spoke.</summary>
internal enum CallerKind
{
    /// <summary>A person, by a token of an issuer.</summary>
    User,

    /// <summary>An API key.</summary>
    ApiKey,
}

/// <summary>Who asks, as the credential proves it.</summary>
/// <param name="Kind">Person or key.</param>
/// <param name="Actor">In histories and audits: <c>user:&lt;sub&gt;</c> or <c>key:&lt;id&gt;</c>.</param>
/// <param name="Name">For people.</param>
/// <param name="Role">Role in the tenant; without meaning for staff.</param>
/// <param name="Scopes">What the credential is narrowed to; null = everything that the role allows.</param>
/// <param name="IsStaff">Works for the platform, not for a tenant.</param>
internal sealed record Caller(
    CallerKind Kind,
    string Actor,
    string Name,
    Role Role,
    IReadOnlyList<string>? Scopes,
    bool IsStaff
)
{
    /// <summary>Null when the caller holds the permission.</summary>
    public Error? Require(Permission permission)
    {
        if (!IsStaff && Role < permission.AtLeast)
        {
            return Refusal($"This needs the permission {permission.Name}, which the role {RoleName} does not have.");
        }

        return Scopes is null || permission.IsIn(Scopes)
            ? null
            : Refusal($"This needs the permission {permission.Name}, which is not among the credential's scopes.");
    }

    private string RoleName => Catalog.CatalogText.ToText(Role);

    private static Error Refusal(string detail) => new(ErrorKind.Forbidden, "forbidden", detail);
}
