using System.Buffers.Text;
using System.Collections.Frozen;
using System.Text.Json;

namespace TenantDocs.Api.Http;

/// <summary>An issuer and the authentication scheme that proves its tokens.</summary>
/// <param name="Scheme">The scheme's name.</param>
/// <param name="IsStaff">Its tokens are staff's.</param>
/// <param name="Tenants">Tenants that it may speak for; null = any.</param>
internal sealed record JwtIssuer(string Scheme, bool IsStaff, IReadOnlyCollection<string>? Tenants);

/// <summary>
/// Finds the one issuer that a token claims to be from. Each issuer is proven by a scheme of its own: several in one
/// scheme would pool their keys, and one issuer could sign as another (https://github.com/dotnet/aspnetcore/issues/68314).
/// </summary>
internal sealed class JwtIssuers(FrozenDictionary<string, JwtIssuer> byIssuer)
{
    /// <summary>Three parts, the first a Base64 JSON object.</summary>
    public static bool LooksLikeToken(ReadOnlySpan<char> text) =>
        text.StartsWith("ey", StringComparison.Ordinal) && text.Count('.') == 2;

    /// <summary>The issuer in the token, which is not proven yet; null when it cannot be read or is not configured.</summary>
    public JwtIssuer? Find(string token) =>
        ReadIssuer(token) is { } issuer && byIssuer.TryGetValue(issuer, out var known) ? known : null;

    private static string? ReadIssuer(string token)
    {
        var start = token.IndexOf('.', StringComparison.Ordinal) + 1;
        var payload = token.AsSpan(start, token.LastIndexOf('.') - start);
        if (!Base64Url.IsValid(payload))
        {
            return null;
        }

        try
        {
            // A name twice could mean one issuer to this reader and another one to the next.
            using var json = JsonDocument.Parse(
                Base64Url.DecodeFromChars(payload),
                new JsonDocumentOptions { AllowDuplicateProperties = false }
            );
            return
                json.RootElement.ValueKind is JsonValueKind.Object
                && json.RootElement.TryGetProperty("iss", out var issuer)
                && issuer.ValueKind is JsonValueKind.String
                ? issuer.GetString()
                : null;
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            return null;
        }
    }
}
