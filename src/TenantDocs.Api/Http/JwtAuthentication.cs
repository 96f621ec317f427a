using System.Collections.Frozen;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.IdentityModel.Tokens;

namespace TenantDocs.Api.Http;

/// <summary>Makes one authentication scheme per configured issuer. A fault in the configuration stops the start, in words.</summary>
internal static class JwtAuthentication
{
    private const int ShortestHmacKey = 32;
    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    /// <summary>Registers the schemes of the section <c>Authentication:Schemes</c>.</summary>
    /// <exception cref="InvalidOperationException">An issuer is configured in a way that would not be safe.</exception>
    public static void AddJwtIssuers(this IServiceCollection services, IConfiguration configuration)
    {
        var issuers = new Dictionary<string, JwtIssuer>(StringComparer.Ordinal);
        var authentication = services.AddAuthentication();
        foreach (var section in configuration.GetSection("Authentication:Schemes").GetChildren())
        {
            var settings = section.Get<JwtSchemeOptions>() ?? new JwtSchemeOptions();
            // Not the section's own name: the framework would bind that once more, by its laxer rules.
            var scheme = $"issuer-{section.Key}";
            var names = IssuersOf(section.Key, settings);
            IReadOnlyCollection<string>? tenants =
                settings.Tenants.Count == 0 ? null : settings.Tenants.ToFrozenSet(StringComparer.Ordinal);
            foreach (var name in names)
            {
                if (!issuers.TryAdd(name, new JwtIssuer(scheme, settings.Staff, tenants)))
                {
                    throw Fault(section.Key, $"the issuer '{name}' has another scheme already.");
                }
            }

            var keys = KeysOf(section.Key, settings, names);
            var audiences = AudiencesOf(section.Key, settings);
            authentication.AddJwtBearer(scheme, options => Apply(options, settings, names, audiences, keys));
        }

        services.AddSingleton(new JwtIssuers(issuers.ToFrozenDictionary(StringComparer.Ordinal)));
    }

    private static void Apply(
        JwtBearerOptions options,
        JwtSchemeOptions settings,
        IReadOnlyList<string> issuers,
        IReadOnlyList<string> audiences,
        IReadOnlyList<SecurityKey> keys
    )
    {
        options.MapInboundClaims = false;
        options.IncludeErrorDetails = false;
        options.SaveToken = false;
        options.RequireHttpsMetadata = settings.RequireHttpsMetadata;
        if (settings.Authority is not null)
        {
            options.Authority = settings.Authority;
        }

        if (settings.MetadataAddress is not null)
        {
            options.MetadataAddress = settings.MetadataAddress;
        }

        options.TokenValidationParameters = new TokenValidationParameters
        {
            ValidateIssuer = true,
            ValidIssuers = issuers,
            ValidateAudience = true,
            ValidAudiences = audiences,
            ValidateLifetime = true,
            RequireExpirationTime = true,
            RequireSignedTokens = true,
            ValidateIssuerSigningKey = true,
            IssuerSigningKeys = keys,
            AlgorithmValidator = (algorithm, key, _, _) => IsAlgorithmOf(key, algorithm),
            ClockSkew = ClockSkew,
            NameClaimType = "name",
            RoleClaimType = "role",
        };
    }

    /// <summary>
    /// The algorithm belongs to the key, not to the token: otherwise a public key would do as an HMAC secret
    /// (RFC 8725, 2.1 and 3.1).
    /// </summary>
    internal static bool IsAlgorithmOf(SecurityKey key, string algorithm) =>
        key switch
        {
            SymmetricSecurityKey => algorithm is SecurityAlgorithms.HmacSha256,
            ECDsaSecurityKey curve => algorithm == EllipticAlgorithm(curve.KeySize),
            X509SecurityKey { PublicKey: RSA } or RsaSecurityKey => IsRsa(algorithm),
            X509SecurityKey { PublicKey: ECDsa curve } => algorithm == EllipticAlgorithm(curve.KeySize),
            JsonWebKey { Kty: JsonWebAlgorithmsKeyTypes.RSA } => IsRsa(algorithm),
            JsonWebKey { Kty: JsonWebAlgorithmsKeyTypes.EllipticCurve } web => algorithm
                == EllipticAlgorithm(web.KeySize),
            _ => false,
        };

    private static bool IsRsa(string algorithm) =>
        algorithm
            is SecurityAlgorithms.RsaSha256
                or SecurityAlgorithms.RsaSha384
                or SecurityAlgorithms.RsaSha512
                or SecurityAlgorithms.RsaSsaPssSha256
                or SecurityAlgorithms.RsaSsaPssSha384
                or SecurityAlgorithms.RsaSsaPssSha512;

    private static string EllipticAlgorithm(int keySize) =>
        keySize switch
        {
            256 => SecurityAlgorithms.EcdsaSha256,
            384 => SecurityAlgorithms.EcdsaSha384,
            _ => SecurityAlgorithms.EcdsaSha512,
        };

    private static string[] IssuersOf(string section, JwtSchemeOptions settings)
    {
        var issuers = settings.ValidIssuers.Append(settings.ValidIssuer).OfType<string>().Distinct().ToArray();
        return issuers switch
        {
            [_] => issuers,
            [] when settings.Authority is { } authority => [authority.TrimEnd('/'), authority.TrimEnd('/') + '/'],
            [] => throw Fault(section, "ValidIssuer is missing."),
            _ => throw Fault(section, "it names several issuers; give each a scheme of its own."),
        };
    }

    private static string[] AudiencesOf(string section, JwtSchemeOptions settings)
    {
        var audiences = settings.ValidAudiences.Append(settings.ValidAudience).OfType<string>().ToArray();
        return audiences.Length > 0 ? audiences : throw Fault(section, "ValidAudiences is empty.");
    }

    private static List<SecurityKey> KeysOf(string section, JwtSchemeOptions settings, IReadOnlyList<string> issuers)
    {
        var keys = new List<SecurityKey>();
        foreach (var entry in settings.SigningKeys)
        {
            // dotnet user-jwts keeps the keys of several issuers in one list.
            if (entry.Issuer is null || issuers.Contains(entry.Issuer))
            {
                keys.Add(HmacKey(section, entry));
            }
        }

        keys.AddRange(settings.PublicKeys.Select(pem => PublicKey(section, pem)));
        return keys.Count > 0 || settings.Authority is not null || settings.MetadataAddress is not null
            ? keys
            : throw Fault(section, "it has neither Authority nor SigningKeys nor PublicKeys of its issuer.");
    }

    private static SymmetricSecurityKey HmacKey(string section, JwtSigningKey entry)
    {
        var bytes = new byte[entry.Value?.Length ?? 0];
        return Convert.TryFromBase64String(entry.Value ?? "", bytes, out var length) && length >= ShortestHmacKey
            ? new SymmetricSecurityKey(bytes[..length])
            : throw Fault(section, $"a signing key is not Base64 of at least {ShortestHmacKey} bytes.");
    }

    private static AsymmetricSecurityKey PublicKey(string section, string pem)
    {
        try
        {
            return PemEncoding.TryFind(pem, out _) && TryImport<RSA>(RSA.Create(), pem) is { } rsa
                ? new RsaSecurityKey(rsa)
                : new ECDsaSecurityKey(TryImport<ECDsa>(ECDsa.Create(), pem));
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            throw Fault(section, "a public key is not an RSA or elliptic-curve key in PEM form.");
        }
    }

    private static T? TryImport<T>(T key, string pem)
        where T : AsymmetricAlgorithm
    {
        try
        {
            key.ImportFromPem(pem);
            return key;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static InvalidOperationException Fault(string section, string fault) =>
        new($"Authentication:Schemes:{section}: {fault}");
}
