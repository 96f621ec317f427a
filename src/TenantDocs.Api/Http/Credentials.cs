using System.Collections.Concurrent;
using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using TenantDocs.Catalog;

namespace TenantDocs.Api.Http;

/// <summary>Proves the credential of a request: an API key, or a token of a configured issuer.</summary>
internal sealed class Credentials(ApiKeyRing ring, JwtIssuers issuers, TimeProvider time)
{
    private const string Scheme = "Bearer ";
    private const int LongestCredential = 16 * 1024;
    private const int MostTokens = 10_000;

    // How long a proven token is not proven again: an issuer's withdrawn signing key is effective within this time.
    private static readonly TimeSpan TokenLifetime = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<ApiKeyHash, ProvenToken> _tokens = new();

    /// <summary>The credential; null when there is none, or none that is good. Why is not said: that would help guessing.</summary>
    public ValueTask<Credential?> FindAsync(HttpContext context)
    {
        if (
            context.Request.Headers.Authorization is not [{ Length: > 7 and < LongestCredential } header]
            || !header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
        )
        {
            return default;
        }

        var text = header.AsMemory(Scheme.Length).Trim();
        var hash = ApiKeyHash.Of(text.Span);
        return JwtIssuers.LooksLikeToken(text.Span)
            ? FindTokenAsync(context, text.ToString(), hash)
            : FindKeyAsync(hash, context.RequestAborted);
    }

    private async ValueTask<Credential?> FindKeyAsync(ApiKeyHash hash, CancellationToken cancellationToken)
    {
        if (await ring.FindAsync(hash, cancellationToken) is not { } key)
        {
            return null;
        }

        var isStaff = key.Tenant is null;
        return new Credential(
            new Caller(
                CallerKind.ApiKey,
                key.Actor,
                key.Name,
                isStaff ? Role.Viewer : RoleOf(key.Role),
                key.Scopes,
                isStaff
            ),
            key.Tenant,
            null,
            null
        );
    }

    private ValueTask<Credential?> FindTokenAsync(HttpContext context, string token, ApiKeyHash hash)
    {
        if (_tokens.TryGetValue(hash, out var proven))
        {
            if (time.GetUtcNow() < proven.Until)
            {
                return new ValueTask<Credential?>(proven.Credential);
            }

            _tokens.TryRemove(hash, out _);
        }

        return ProveAsync(context, token, hash);
    }

    private async ValueTask<Credential?> ProveAsync(HttpContext context, string token, ApiKeyHash hash)
    {
        if (issuers.Find(token) is not { } issuer)
        {
            return null;
        }

        var result = await context.AuthenticateAsync(issuer.Scheme);
        if (!result.Succeeded || ReadClaims(result.Principal, issuer) is not { } credential)
        {
            return null;
        }

        var until = time.GetUtcNow() + TokenLifetime;
        if (result.Properties.ExpiresUtc is { } expiry && expiry < until)
        {
            until = expiry;
        }

        if (_tokens.Count >= MostTokens)
        {
            _tokens.Clear();
        }

        _tokens[hash] = new ProvenToken(credential, until);
        return credential;
    }

    private static Credential? ReadClaims(ClaimsPrincipal principal, JwtIssuer issuer)
    {
        if (Single(principal, "sub") is not { Length: > 0 } subject)
        {
            return null;
        }

        var caller = new Caller(
            CallerKind.User,
            $"user:{subject}",
            Single(principal, "name") ?? subject,
            RoleOf(Single(principal, "role")),
            ScopesOf(principal),
            issuer.IsStaff
        );
        if (issuer.IsStaff)
        {
            return new Credential(caller, null, null, null);
        }

        return Single(principal, "tenant") switch
        {
            { Length: > 0 } id when Guid.TryParseExact(id, "D", out var value) && value != Guid.Empty => new Credential(
                caller,
                new TenantId(value),
                null,
                issuer.Tenants
            ),
            { Length: > 0 } slug => new Credential(caller, null, slug, issuer.Tenants),
            _ => null,
        };
    }

    /// <summary>Missing or unknown: reads only.</summary>
    private static Role RoleOf(string? role) => CatalogText.TryParse<Role>(role, out var known) ? known : Role.Viewer;

    private static string[]? ScopesOf(ClaimsPrincipal principal)
    {
        // OAuth writes one text with spaces; some issuers write a list.
        var claims = principal.FindAll("scope").Select(c => c.Value).ToArray();
        return claims.Length == 0
            ? null
            : [.. claims.SelectMany(c => c.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
    }

    /// <summary>Null when the claim is absent, and when it is there more than once: then it says nothing certain.</summary>
    private static string? Single(ClaimsPrincipal principal, string claim) =>
        principal.FindAll(claim).ToArray() is [var only] ? only.Value : null;

    private sealed record ProvenToken(Credential Credential, DateTimeOffset Until);
}
