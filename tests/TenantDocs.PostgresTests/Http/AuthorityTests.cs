using System.Net;
using System.Security.Cryptography;
using Microsoft.IdentityModel.Tokens;

namespace TenantDocs.PostgresTests.Http;

/// <summary>An issuer that is configured by its address alone: keys come from its metadata.</summary>
[Collection<OneHttpHost>]
public class AuthorityTests(HttpHost host)
{
    [Fact]
    public async Task Its_tokens_are_good_with_either_of_its_keys_and_its_keys_are_read_once()
    {
        await ShouldAsync(HttpStatusCode.OK, Token(host.Provider.Rsa));
        await ShouldAsync(HttpStatusCode.OK, Token(host.Provider.Curve));
        var reads = host.Provider.Reads;
        Assert.True(reads >= 1);
        await ShouldAsync(HttpStatusCode.OK, Token(host.Provider.Rsa, ("name", "Another")));
        Assert.Equal(reads, host.Provider.Reads);
    }

    [Fact]
    public async Task A_key_that_it_does_not_publish_is_refused()
    {
        using var own = RSA.Create(2048);
        foreach (var id in new[] { "r", "unknown", null })
        {
            var key = new RsaSecurityKey(own) { KeyId = id };
            await ShouldAsync(
                HttpStatusCode.Unauthorized,
                Token(new SigningCredentials(key, SecurityAlgorithms.RsaSha256))
            );
        }

        var another = new SigningCredentials(host.Key, SecurityAlgorithms.HmacSha256);
        await ShouldAsync(HttpStatusCode.Unauthorized, Token(another));
        await ShouldAsync(HttpStatusCode.OK, Token(host.Provider.Rsa));
    }

    [Fact]
    public async Task Its_public_key_is_no_secret_and_its_key_signs_for_no_other_issuer()
    {
        var good = Token(host.Provider.Rsa);
        using var hmac = new HMACSHA256(host.Provider.PublicKey);
        var forged = HttpHost.Forge("""{"alg":"HS256","typ":"JWT","kid":"r"}""", good, hmac.ComputeHash);
        await ShouldAsync(HttpStatusCode.Unauthorized, forged);
        await ShouldAsync(HttpStatusCode.Unauthorized, HttpHost.Forge("""{"alg":"none"}""", good, _ => []));
        await ShouldAsync(HttpStatusCode.Unauthorized, host.Token(host.Provider.Rsa));
        await ShouldAsync(
            HttpStatusCode.Unauthorized,
            host.Token(host.Provider.Rsa, host.Provider.Address, audience: "others")
        );
        await ShouldAsync(
            HttpStatusCode.Unauthorized,
            host.Token(host.Provider.Rsa, host.Provider.Address, lifetime: TimeSpan.FromMinutes(-5))
        );
        await ShouldAsync(HttpStatusCode.OK, good);
    }

    private string Token(SigningCredentials signing, params (string, object)[] claims) =>
        host.Token(signing, host.Provider.Address, claims: claims);

    private async Task ShouldAsync(HttpStatusCode status, string token) =>
        Assert.Equal(status, (await host.GetAsync("/v1/me", token)).StatusCode);
}
