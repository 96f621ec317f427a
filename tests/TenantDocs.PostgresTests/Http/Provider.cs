using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.IdentityModel.Tokens;

namespace TenantDocs.PostgresTests.Http;

/// <summary>An OpenID Connect provider on loopback: its metadata and its keys.</summary>
public sealed class Provider : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly RSA _rsa = RSA.Create(2048);
    private readonly ECDsa _curve = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private int _reads;

    private Provider()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
    }

    public string Address => _app.Urls.Single();

    /// <summary>How often its keys were read.</summary>
    public int Reads => Volatile.Read(ref _reads);

    public SigningCredentials Rsa => new(new RsaSecurityKey(_rsa) { KeyId = "r" }, SecurityAlgorithms.RsaSha256);

    public SigningCredentials Curve =>
        new(new ECDsaSecurityKey(_curve) { KeyId = "e" }, SecurityAlgorithms.EcdsaSha256);

    /// <summary>The public RSA key, for who would use it as a secret.</summary>
    public byte[] PublicKey => _rsa.ExportSubjectPublicKeyInfo();

    public static async Task<Provider> StartAsync()
    {
        var provider = new Provider();
        provider.Map();
        await provider._app.StartAsync();
        return provider;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _rsa.Dispose();
        _curve.Dispose();
    }

    private void Map()
    {
        _app.MapGet(
            "/.well-known/openid-configuration",
            () => Results.Text($$"""{"issuer":"{{Address}}","jwks_uri":"{{Address}}/keys"}""", "application/json")
        );
        _app.MapGet(
            "/keys",
            () =>
            {
                Interlocked.Increment(ref _reads);
                var rsa = _rsa.ExportParameters(false);
                var curve = _curve.ExportParameters(false);
                return Results.Text(
                    $$"""
                    {"keys":[
                      {"kty":"RSA","use":"sig","kid":"r","n":"{{Text(rsa.Modulus)}}","e":"{{Text(rsa.Exponent)}}"},
                      {"kty":"EC","crv":"P-256","use":"sig","kid":"e","x":"{{Text(curve.Q.X)}}","y":"{{Text(
                        curve.Q.Y
                    )}}"}
                    ]}
                    """,
                    "application/json"
                );
            }
        );
    }

    private static string Text(byte[]? bytes) => Base64UrlEncoder.Encode(bytes);
}
