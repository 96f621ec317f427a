using System.Security.Cryptography;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.Tokens;
using TenantDocs.Api.Http;

namespace TenantDocs.Tests.Http;

public class JwtRulesTests
{
    private const string GoodKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    [Theory]
    [InlineData("HS256", true)]
    [InlineData("HS384", false)]
    [InlineData("HS512", false)]
    [InlineData("none", false)]
    [InlineData("RS256", false)]
    public void An_HMAC_key_takes_HS256_only(string algorithm, bool isGood) =>
        Assert.Equal(isGood, JwtAuthentication.IsAlgorithmOf(new SymmetricSecurityKey(new byte[32]), algorithm));

    [Theory]
    [InlineData("RS256", true)]
    [InlineData("PS512", true)]
    [InlineData("HS256", false)]
    [InlineData("ES256", false)]
    [InlineData("none", false)]
    public void An_RSA_key_takes_RSA_algorithms_only(string algorithm, bool isGood)
    {
        using var rsa = RSA.Create(2048);
        Assert.Equal(isGood, JwtAuthentication.IsAlgorithmOf(new RsaSecurityKey(rsa), algorithm));
    }

    [Theory]
    [InlineData("ES256", true)]
    [InlineData("ES384", false)]
    [InlineData("HS256", false)]
    public void A_curve_takes_its_own_algorithm_only(string algorithm, bool isGood)
    {
        using var curve = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Equal(isGood, JwtAuthentication.IsAlgorithmOf(new ECDsaSecurityKey(curve), algorithm));
    }

    [Theory]
    [InlineData("A:ValidIssuer=a", "A:ValidAudience=x", "A:SigningKeys:0:Value=" + GoodKey, null)]
    [InlineData("A:ValidIssuer=a", "A:SigningKeys:0:Value=" + GoodKey, "", "ValidAudiences is empty")]
    [InlineData("A:ValidAudience=x", "A:SigningKeys:0:Value=" + GoodKey, "", "ValidIssuer is missing")]
    [InlineData("A:ValidIssuer=a", "A:ValidAudience=x", "", "neither Authority nor SigningKeys")]
    [InlineData("A:ValidIssuer=a", "A:ValidAudience=x", "A:SigningKeys:0:Value=AAAA", "at least 32 bytes")]
    [InlineData("A:ValidIssuer=a", "A:ValidAudience=x", "A:PublicKeys:0=nonsense", "PEM")]
    [InlineData("A:ValidIssuers:0=a", "A:ValidIssuers:1=b", "A:ValidAudience=x", "several issuers")]
    public void What_would_not_be_safe_stops_the_start(string one, string two, string three, string? fault)
    {
        var settings = new[] { one, two, three }
            .Where(s => s.Length > 0)
            .Select(s => s.Split('=', 2))
            .ToDictionary(p => $"Authentication:Schemes:{p[0]}", p => (string?)p[1]);
        var failure = Record.Exception(() => Register(settings));
        if (fault is null)
        {
            Assert.Null(failure);
            return;
        }

        Assert.Contains(fault, Assert.IsType<InvalidOperationException>(failure).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_schemes_of_one_issuer_stop_the_start()
    {
        var settings = new Dictionary<string, string?>();
        foreach (var name in new[] { "A", "B" })
        {
            settings[$"Authentication:Schemes:{name}:ValidIssuer"] = "same";
            settings[$"Authentication:Schemes:{name}:ValidAudience"] = "x";
            settings[$"Authentication:Schemes:{name}:SigningKeys:0:Value"] = GoodKey;
        }

        Assert.Contains(
            "another scheme",
            Assert.Throws<InvalidOperationException>(() => Register(settings)).Message,
            StringComparison.Ordinal
        );
    }

    private static void Register(Dictionary<string, string?> settings) =>
        new ServiceCollection().AddJwtIssuers(new ConfigurationBuilder().AddInMemoryCollection(settings).Build());
}
