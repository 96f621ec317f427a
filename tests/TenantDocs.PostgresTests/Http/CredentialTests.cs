using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.Tokens;
using TenantDocs.Catalog;

namespace TenantDocs.PostgresTests.Http;

[Collection<OneHttpHost>]
public class CredentialTests(HttpHost host)
{
    [Fact]
    public async Task A_good_token_tells_who_it_is()
    {
        var me = await (await host.GetAsync("/v1/me", host.Token())).JsonAsync();
        Assert.Equal("user", me.GetProperty("kind").GetString());
        Assert.Equal("Ada", me.GetProperty("name").GetString());
        Assert.Equal("owner", me.GetProperty("role").GetString());
        Assert.Equal("acme", me.GetProperty("tenant").GetString());
    }

    [Fact]
    public async Task A_tenant_may_be_named_by_its_id() =>
        await GoodAsync(host.Token(claims: ("tenant", host.Acme.Id.ToString())));

    [Fact]
    public async Task A_good_RSA_token_is_accepted() =>
        await GoodAsync(host.Token(RsaSigning(host.Rsa), HttpHost.RsaIssuer));

    [Fact]
    public async Task No_credential_is_401_with_a_challenge()
    {
        var answer = await host.GetAsync("/v1/me");
        await answer.ShouldBeAsync(401, "unauthenticated");
        Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.Single().Scheme);
    }

    [Fact]
    public async Task A_token_without_signature_is_refused()
    {
        foreach (var none in new[] { "none", "None", "NONE", "" })
        {
            await BadAsync(HttpHost.Forge($$"""{"alg":"{{none}}","typ":"JWT"}""", host.Token(), _ => []));
        }
    }

    [Fact]
    public async Task A_token_of_an_unknown_issuer_is_refused() =>
        await BadAsync(host.Token(issuer: "https://nobody.example"));

    [Fact]
    public async Task A_token_for_another_audience_is_refused() => await BadAsync(host.Token(audience: "elsewhere"));

    [Fact]
    public async Task An_expired_token_is_refused_and_one_within_the_skew_is_not()
    {
        await BadAsync(host.Token(lifetime: TimeSpan.FromSeconds(-60)));
        await GoodAsync(host.Token(lifetime: TimeSpan.FromSeconds(-5)));
    }

    [Fact]
    public async Task A_token_without_expiry_is_refused()
    {
        var good = host.Token();
        var payload = Base64UrlEncoder.Decode(good.Split('.')[1]);
        var endless = System.Text.Json.Nodes.JsonNode.Parse(payload)!.AsObject();
        endless.Remove("exp");
        await BadAsync(Signed("""{"alg":"HS256","typ":"JWT"}""", endless.ToJsonString(), host.Key.Key));
        await GoodAsync(Signed("""{"alg":"HS256","typ":"JWT"}""", payload, host.Key.Key));
    }

    [Fact]
    public async Task One_issuer_cannot_sign_as_another()
    {
        await BadAsync(host.Token(new SigningCredentials(host.OtherKey, SecurityAlgorithms.HmacSha256)));
        await GoodAsync(
            host.Token(new SigningCredentials(host.OtherKey, SecurityAlgorithms.HmacSha256), HttpHost.OtherIssuer)
        );
    }

    [Fact]
    public async Task The_public_key_of_an_RSA_issuer_is_no_HMAC_secret()
    {
        var good = host.Token(RsaSigning(host.Rsa), HttpHost.RsaIssuer);
        byte[][] secrets =
        [
            Encoding.ASCII.GetBytes(host.Rsa.ExportSubjectPublicKeyInfoPem()),
            Encoding.ASCII.GetBytes(host.Rsa.ExportSubjectPublicKeyInfoPem() + "\n"),
            host.Rsa.ExportSubjectPublicKeyInfo(),
            host.Rsa.ExportRSAPublicKey(),
        ];
        foreach (var secret in secrets)
        {
            await BadAsync(
                HttpHost.Forge("""{"alg":"HS256","typ":"JWT"}""", good, text => HMACSHA256.HashData(secret, text))
            );
        }

        await GoodAsync(good);
    }

    [Fact]
    public async Task An_HMAC_key_signs_with_HS256_only()
    {
        await BadAsync(
            HttpHost.Forge(
                """{"alg":"HS512","typ":"JWT"}""",
                host.Token(),
                text => HMACSHA512.HashData(host.Key.Key, text)
            )
        );
        await BadAsync(
            HttpHost.Forge(
                """{"alg":"HS384","typ":"JWT"}""",
                host.Token(),
                text => HMACSHA384.HashData(host.Key.Key, text)
            )
        );
    }

    [Fact]
    public async Task A_changed_claim_breaks_the_signature()
    {
        var parts = host.Token().Split('.');
        var payload = Base64UrlEncoder.Decode(parts[1]).Replace("acme", "globex", StringComparison.Ordinal);
        await BadAsync($"{parts[0]}.{Base64UrlEncoder.Encode(payload)}.{parts[2]}");
    }

    [Fact]
    public async Task An_issuer_speaks_for_its_tenants_only()
    {
        var signing = new SigningCredentials(host.BoundKey, SecurityAlgorithms.HmacSha256);
        await BadAsync(host.Token(signing, HttpHost.BoundIssuer));
        // It does not learn which others there are.
        await BadAsync(host.Token(signing, HttpHost.BoundIssuer, claims: ("tenant", "no-such-tenant")));
        await GoodAsync(host.Token(signing, HttpHost.BoundIssuer, claims: ("tenant", "globex")));
    }

    [Fact]
    public async Task A_token_without_a_tenant_is_refused() => await BadAsync(host.Token(claims: ("tenant", "")));

    [Fact]
    public async Task A_missing_or_unknown_role_may_read_only()
    {
        foreach (var role in new[] { "", "emperor", "Owner", "staff" })
        {
            var me = await (await host.GetAsync("/v1/me", host.Token(claims: ("role", role)))).JsonAsync();
            Assert.Equal("viewer", me.GetProperty("role").GetString());
        }
    }

    [Fact]
    public async Task Scopes_narrow_a_role_and_never_widen_it()
    {
        var answer = await host.GetAsync("/v1/me", host.Token(claims: [("role", "viewer"), ("scope", "documents:*")]));
        var me = await answer.JsonAsync();
        Assert.Equal(["documents:read"], me.GetProperty("permissions").EnumerateArray().Select(p => p.GetString()));
    }

    [Fact]
    public async Task An_API_key_works_until_it_is_revoked()
    {
        var (kept, key) = await host.Keys.CreateAsync(
            host.Acme.Id,
            "short",
            "editor",
            null,
            null,
            "test",
            TestContext.Current.CancellationToken
        );
        var me = await (await host.GetAsync("/v1/me", key)).JsonAsync();
        Assert.Equal("apiKey", me.GetProperty("kind").GetString());
        Assert.Equal($"key:{kept.Id}", me.GetProperty("actor").GetString());

        Assert.False(await host.Keys.RevokeAsync(host.Globex.Id, kept.Id, TestContext.Current.CancellationToken));
        await GoodAsync(key);
        Assert.True(await host.Keys.RevokeAsync(host.Acme.Id, kept.Id, TestContext.Current.CancellationToken));
        await UntilAsync(async () => (await host.GetAsync("/v1/me", key)).StatusCode is HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task An_expired_API_key_is_refused()
    {
        var past = DateTimeOffset.UtcNow.AddSeconds(-1);
        await BadAsync(await host.NewKeyAsync(host.Acme, "owner", expiresAt: past));
        await GoodAsync(await host.NewKeyAsync(host.Acme, "owner", expiresAt: past.AddMinutes(1)));
    }

    [Fact]
    public async Task An_unknown_or_altered_API_key_is_refused()
    {
        await BadAsync("td_" + new string('A', 43));
        await BadAsync(host.AcmeKey[..^1] + (host.AcmeKey[^1] == 'A' ? 'B' : 'A'));
        await BadAsync(host.AcmeKey.ToUpperInvariant());
        await BadAsync("");
        await BadAsync("ey..");
        await BadAsync("eyJ.e30.");
        await GoodAsync(host.AcmeKey);
    }

    [Fact]
    public async Task The_last_use_of_a_key_is_noted()
    {
        var tenant = await host.NewTenantAsync("last-use", TenantStatus.Active);
        await GoodAsync(await host.NewKeyAsync(tenant, "viewer"));
        await UntilAsync(
            async () => (await host.Keys.ListAsync(tenant.Id, CancellationToken.None))[0].LastUsedAt is not null,
            seconds: 10
        );
    }

    [Fact]
    public async Task Staff_do_not_reach_the_tenant_API()
    {
        await (await host.GetAsync("/v1/me", HttpHost.BootstrapKey)).ShouldBeAsync(403, "forbidden");
        var token = host.Token(
            new SigningCredentials(host.StaffKey, SecurityAlgorithms.HmacSha256),
            HttpHost.StaffIssuer
        );
        await (await host.GetAsync("/v1/me", token)).ShouldBeAsync(403, "forbidden");
    }

    [Theory]
    [InlineData("GET", "audit", "audit:read")]
    [InlineData("GET", "tenants", "tenants:read")]
    [InlineData("GET", "operations", "tenants:*")]
    [InlineData("HEAD", "servers", "fleet:read")]
    [InlineData("GET", "servers/local-1", "fleet:read")]
    [InlineData("GET", "fleet/summary", "fleet:read")]
    [InlineData("POST", "tenants", "tenants:manage")]
    [InlineData("POST", "tenants/nobody/moves", "tenants:manage")]
    [InlineData("POST", "tenants/nobody/purge", "tenants:manage")]
    [InlineData("POST", "tenants/nobody/api-keys", "keys:manage")]
    [InlineData("POST", "operations/x/rollback", "tenants:manage")]
    [InlineData("POST", "servers/nowhere/drain", "fleet:manage")]
    public async Task A_staff_token_does_what_its_scopes_name_and_nothing_else(string method, string path, string scope)
    {
        string[] all = ["audit:read", "tenants:read", "tenants:manage", "keys:manage", "fleet:read", "fleet:manage"];
        var others = all.Where(s => s != scope && $"{s[..s.IndexOf(':')]}:*" != scope);
        Assert.Equal(HttpStatusCode.Forbidden, await StaffStatusAsync(string.Join(' ', others)));

        // The controls: with the scope, or with none at all, the answer is about what is asked, not about who asks.
        Assert.NotEqual(HttpStatusCode.Forbidden, await StaffStatusAsync(scope));
        Assert.NotEqual(HttpStatusCode.Forbidden, await StaffStatusAsync(null));

        async Task<HttpStatusCode> StaffStatusAsync(string? scopes)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), $"/admin/v1/{path}");
            var token = host.Token(
                new SigningCredentials(host.StaffKey, SecurityAlgorithms.HmacSha256),
                HttpHost.StaffIssuer,
                claims: scopes is null ? [] : [("scope", scopes)]
            );
            return (await host.SendAsync(request, token)).StatusCode;
        }
    }

    [Fact]
    public async Task A_bootstrap_key_is_made_once_and_a_configured_one_replaces_the_one_before()
    {
        var cancellation = TestContext.Current.CancellationToken;
        Assert.Null(await host.Keys.EnsureBootstrapKeyAsync(null, cancellation)); // there is one
        var before = (await host.Keys.ListAsync(null, cancellation)).Count(k => k.RevokedAt is null);
        Assert.Null(await host.Keys.EnsureBootstrapKeyAsync(HttpHost.BootstrapKey, cancellation));
        Assert.Equal(before, (await host.Keys.ListAsync(null, cancellation)).Count(k => k.RevokedAt is null));
        await Assert.ThrowsAsync<ArgumentException>(() => host.Keys.EnsureBootstrapKeyAsync("short", cancellation));
    }

    private async Task GoodAsync(string credential)
    {
        var answer = await host.GetAsync("/v1/me", credential);
        Assert.True(answer.IsSuccessStatusCode, await answer.TextAsync());
    }

    private async Task BadAsync(string credential) =>
        await (await host.GetAsync("/v1/me", credential)).ShouldBeAsync(401, "unauthenticated");

    private static async Task UntilAsync(Func<Task<bool>> condition, int seconds = 20)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        while (!await condition())
        {
            await Task.Delay(20, patience.Token);
        }
    }

    private static SigningCredentials RsaSigning(RSA rsa) => new(new RsaSecurityKey(rsa), SecurityAlgorithms.RsaSha256);

    private static string Signed(string head, string payload, byte[] key)
    {
        var text = $"{Base64UrlEncoder.Encode(head)}.{Base64UrlEncoder.Encode(payload)}";
        return $"{text}.{Base64UrlEncoder.Encode(HMACSHA256.HashData(key, Encoding.ASCII.GetBytes(text)))}";
    }
}
