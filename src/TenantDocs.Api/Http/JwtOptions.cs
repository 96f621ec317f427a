namespace TenantDocs.Api.Http;

/// <summary>
/// One issuer of tokens: an entry of the framework's section <c>Authentication:Schemes</c>, as <c>dotnet user-jwts</c>
/// writes it, with <see cref="Tenants"/>, <see cref="Staff"/> and <see cref="PublicKeys"/> added.
/// </summary>
internal sealed class JwtSchemeOptions
{
    /// <summary>The issuer (<c>iss</c>). Default: the authority's.</summary>
    public string? ValidIssuer { get; set; }

    /// <summary>Accepted with exactly one entry: each issuer has a scheme of its own.</summary>
    public IList<string> ValidIssuers { get; } = [];

    /// <summary>The audience (<c>aud</c>).</summary>
    public string? ValidAudience { get; set; }

    /// <summary>Further audiences.</summary>
    public IList<string> ValidAudiences { get; } = [];

    /// <summary>OpenID Connect provider; its keys are read from there.</summary>
    public string? Authority { get; set; }

    /// <summary>Where the provider's metadata are, if not below the authority.</summary>
    public string? MetadataAddress { get; set; }

    /// <summary>Whether the provider must be reached by HTTPS. Default true.</summary>
    public bool RequireHttpsMetadata { get; set; } = true;

    /// <summary>HMAC keys, for HS256 only.</summary>
    public IList<JwtSigningKey> SigningKeys { get; } = [];

    /// <summary>RSA or elliptic-curve public keys in PEM form.</summary>
    public IList<string> PublicKeys { get; } = [];

    /// <summary>Slugs or ids of the tenants that this issuer may speak for. Default: any.</summary>
    public IList<string> Tenants { get; } = [];

    /// <summary>Its tokens are staff's: good for the admin API, never for a tenant's. Default false.</summary>
    public bool Staff { get; set; }
}

/// <summary>An HMAC key as <c>dotnet user-jwts</c> writes it.</summary>
internal sealed class JwtSigningKey
{
    /// <summary>Name of the key.</summary>
    public string? Id { get; set; }

    /// <summary>Whose key; absent = the scheme's issuer.</summary>
    public string? Issuer { get; set; }

    /// <summary>The key in Base64, 32 bytes at least.</summary>
    public string? Value { get; set; }

    /// <summary>Length in bytes; informative.</summary>
    public int Length { get; set; }
}
