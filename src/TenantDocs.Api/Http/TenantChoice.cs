using Microsoft.Extensions.Primitives;

namespace TenantDocs.Api.Http;

/// <summary>
/// The tenant names that a request carries in its host, path and header. They select, the credential authorises: all that
/// are present must name the credential's tenant, so no name is ever looked up, and an unknown one looks like a foreign one.
/// </summary>
/// <param name="Host">From <c>{slug}.{BaseDomain}</c>; null = the host names none.</param>
/// <param name="Path">From <c>/t/{slug}/v1/…</c>; null = the path names none.</param>
/// <param name="Header">From <c>X-Tenant</c>; every value counts.</param>
internal readonly record struct TenantChoice(string? Host, string? Path, StringValues Header)
{
    public const string HeaderName = "X-Tenant";
    private const string PathMark = "/t/";
    private const string ApiSegment = "/v1";

    /// <summary>True when every name that is present is this slug.</summary>
    public bool Agrees(string slug)
    {
        if ((Host is not null && Host != slug) || (Path is not null && Path != slug))
        {
            return false;
        }

        foreach (var value in Header)
        {
            if (value != slug)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The name in a host; empty when the host is below the base domain without naming a tenant.</summary>
    public static string? FromHost(string host, string? baseDomain)
    {
        if (
            string.IsNullOrEmpty(baseDomain)
            || host.Length <= baseDomain.Length + 1
            || host[^(baseDomain.Length + 1)] != '.'
            || !host.EndsWith(baseDomain, StringComparison.OrdinalIgnoreCase)
        )
        {
            return null;
        }

        // Hosts have no case; slugs are lower case.
        return host[..^(baseDomain.Length + 1)].ToLowerInvariant();
    }

    /// <summary>Splits <c>/t/{slug}/v1/…</c>; only the tenant API has this prefix.</summary>
    public static bool TrySplitPath(PathString path, out string slug, out PathString rest)
    {
        slug = "";
        rest = path;
        if (path.Value is not { } text || !text.StartsWith(PathMark, StringComparison.Ordinal))
        {
            return false;
        }

        var end = text.IndexOf('/', PathMark.Length);
        if (end < 0 || !new PathString(text[end..]).StartsWithSegments(ApiSegment, StringComparison.Ordinal))
        {
            return false;
        }

        slug = text[PathMark.Length..end];
        rest = new PathString(text[end..]);
        return true;
    }
}
