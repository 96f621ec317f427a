using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace TenantDocs.Catalog;

/// <summary>A tenant's name in hosts, paths and headers: <c>^[a-z][a-z0-9-]{1,38}[a-z0-9]$</c>. Cannot hold anything else.</summary>
public readonly partial record struct TenantSlug
{
    // Names that hosts, paths or people would take for something of the platform's.
    private static readonly FrozenSet<string> Reserved = FrozenSet.Create(
        StringComparer.Ordinal,
        "about",
        "account",
        "admin",
        "administrator",
        "api",
        "app",
        "assets",
        "auth",
        "billing",
        "blog",
        "cdn",
        "console",
        "dashboard",
        "default",
        "demo-admin",
        "docs",
        "ftp",
        "health",
        "help",
        "host",
        "imap",
        "internal",
        "localhost",
        "login",
        "logout",
        "mail",
        "me",
        "metrics",
        "new",
        "ns1",
        "ns2",
        "oauth",
        "openapi",
        "operator",
        "platform",
        "pop",
        "postgres",
        "problems",
        "public",
        "root",
        "security",
        "shared",
        "signin",
        "signup",
        "smtp",
        "staff",
        "static",
        "status",
        "support",
        "system",
        "t",
        "tenant",
        "tenantdocs",
        "tenants",
        "test-admin",
        "v1",
        "v2",
        "webhooks",
        "www"
    );

    private TenantSlug(string value) => Value = value;

    /// <summary>The slug's text.</summary>
    public string Value { get; }

    /// <summary>True for a well-formed name that belongs to the platform and that no tenant may take.</summary>
    public bool IsReserved => IsReservedName(Value);

    /// <summary>True for a name of the platform's, also for one that is too short to be a slug (<c>t</c>, <c>v1</c>).</summary>
    public static bool IsReservedName(string text) =>
        Reserved.Contains(text) || text.StartsWith("xn--", StringComparison.Ordinal);

    /// <summary>Accepts exactly the documented form; upper case is not folded.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out TenantSlug slug)
    {
        var fits = text is not null && Form().IsMatch(text);
        slug = fits ? new TenantSlug(text!) : default;
        return fits;
    }

    /// <summary>The slug's text.</summary>
    public override string ToString() => Value;

    [GeneratedRegex("^[a-z][a-z0-9-]{1,38}[a-z0-9]\\z", RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}
