using System.Collections.Frozen;

namespace TenantDocs.Api.Http;

/// <summary>
/// Something that a caller may or may not do; also the name of the scope that narrows a credential to it.
/// This file is the table of all of them: a role has every permission whose least role it reaches, and a credential with
/// scopes has those of them that its scopes name (<c>documents:write</c>, or <c>documents:*</c>). Scopes never widen.
/// </summary>
/// <param name="Name"><c>area:verb</c>.</param>
/// <param name="AtLeast">The least role that has it.</param>
internal sealed record Permission(string Name, Role AtLeast)
{
    public static Permission DocumentsRead { get; } = new("documents:read", Role.Viewer);
    public static Permission DocumentsWrite { get; } = new("documents:write", Role.Editor);
    public static Permission DocumentsDelete { get; } = new("documents:delete", Role.Editor);
    public static Permission MembersRead { get; } = new("members:read", Role.Viewer);
    public static Permission MembersManage { get; } = new("members:manage", Role.Admin);
    public static Permission KeysManage { get; } = new("keys:manage", Role.Admin);
    public static Permission SettingsManage { get; } = new("settings:manage", Role.Admin);
    public static Permission WebhooksManage { get; } = new("webhooks:manage", Role.Admin);
    public static Permission ExportsManage { get; } = new("exports:manage", Role.Admin);
    public static Permission AuditRead { get; } = new("audit:read", Role.Admin);

    // Of staff, whose role says nothing: without scopes a staff credential has all of these, with scopes those they name.
    // Keys of tenants need KeysManage: who may suspend a tenant does not thereby get at its documents.
    public static Permission TenantsRead { get; } = new("tenants:read", Role.Owner);
    public static Permission TenantsManage { get; } = new("tenants:manage", Role.Owner);
    public static Permission FleetRead { get; } = new("fleet:read", Role.Owner);
    public static Permission FleetManage { get; } = new("fleet:manage", Role.Owner);

    /// <summary>What members and keys of a tenant may have.</summary>
    public static FrozenDictionary<string, Permission> All { get; } =
        new[]
        {
            DocumentsRead,
            DocumentsWrite,
            DocumentsDelete,
            MembersRead,
            MembersManage,
            KeysManage,
            SettingsManage,
            WebhooksManage,
            ExportsManage,
            AuditRead,
        }.ToFrozenDictionary(p => p.Name);

    /// <summary>Needs nothing of the tenant but reading, whatever the HTTP method.</summary>
    public bool IsRead { get; } = Name.EndsWith(":read", StringComparison.Ordinal);

    private readonly string _wholeArea = $"{Name[..Name.IndexOf(':', StringComparison.Ordinal)]}:*";

    public bool IsIn(IReadOnlyList<string> scopes)
    {
        for (var i = 0; i < scopes.Count; i++)
        {
            if (scopes[i] == Name || scopes[i] == _wholeArea)
            {
                return true;
            }
        }

        return false;
    }
}
