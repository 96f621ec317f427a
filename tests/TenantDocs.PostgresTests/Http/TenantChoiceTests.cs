using System.Text.Json;
using TenantDocs.Catalog;

namespace TenantDocs.PostgresTests.Http;

[Collection<OneHttpHost>]
public class TenantChoiceTests(HttpHost host)
{
    [Theory]
    [InlineData("/v1/me", null, null)]
    [InlineData("/t/acme/v1/me", null, null)]
    [InlineData("/v1/me", "acme.docs.example", null)]
    [InlineData("/v1/me", "ACME.Docs.Example:5080", null)]
    [InlineData("/v1/me", null, "acme")]
    [InlineData("/t/acme/v1/me", "acme.docs.example", "acme")]
    [InlineData("/v1/me", "docs.example", null)]
    [InlineData("/v1/me", "elsewhere.example", null)]
    public async Task Names_that_agree_with_the_credential_are_served(string path, string? at, string? header)
    {
        var answer = await SendAsync(host.AcmeKey, path, at, header is null ? [] : [header]);
        Assert.Equal("acme", (await answer.JsonAsync()).GetProperty("tenant").GetString());
    }

    [Fact]
    public async Task Any_disagreement_is_equal_to_an_unknown_tenant()
    {
        var unknown = await SendAsync(host.AcmeKey, "/t/no-such-tenant/v1/me", null, []);
        await unknown.ShouldBeAsync(404, "tenant-not-found");
        var expected = await unknown.WithoutTraceAsync();
        (string Path, string? Host, string[] Header)[] disagreements =
        [
            ("/t/globex/v1/me", null, []),
            ("/v1/me", "globex.docs.example", []),
            ("/v1/me", null, ["globex"]),
            ("/v1/me", null, ["no-such-tenant"]),
            ("/v1/me", null, ["acme", "globex"]),
            ("/v1/me", null, ["acme, acme"]),
            ("/v1/me", null, ["ACME"]),
            ("/v1/me", null, [""]),
            ("/t/acme/v1/me", "globex.docs.example", []),
            ("/t/globex/v1/me", "acme.docs.example", []),
            ("/t/acme/v1/me", null, ["globex"]),
            ("/t/Acme/v1/me", null, []),
            ("/t//v1/me", null, []),
            ("/v1/me", "a.acme.docs.example", []),
            ("/v1/me", "acme.globex.docs.example", []),
        ];
        foreach (var (path, at, header) in disagreements)
        {
            var answer = await SendAsync(host.AcmeKey, path, at, header);
            Assert.True((int)answer.StatusCode == 404, $"{path} {at} {string.Join('|', header)}");
            Assert.Equal(expected, await answer.WithoutTraceAsync());
            Assert.Equal(Names(unknown), Names(answer));
        }
    }

    [Fact]
    public async Task Without_a_good_credential_a_known_and_an_unknown_tenant_look_the_same()
    {
        var known = await SendAsync("td_wrong", "/t/acme/v1/me", null, []);
        var unknown = await SendAsync("td_wrong", "/t/no-such-tenant/v1/me", null, []);
        await known.ShouldBeAsync(401, "unauthenticated");
        Assert.Equal(await unknown.WithoutTraceAsync(), await known.WithoutTraceAsync());
        Assert.Equal(Names(unknown), Names(known));
    }

    [Fact]
    public async Task A_token_of_a_tenant_that_does_not_exist_is_404() =>
        await (await SendAsync(host.Token(claims: ("tenant", "no-such-tenant")), "/v1/me", null, [])).ShouldBeAsync(
            404,
            "tenant-not-found"
        );

    [Theory]
    [InlineData(TenantStatus.Provisioning, AccessMode.ReadWrite, 503, "tenant-provisioning")]
    [InlineData(TenantStatus.PendingDeletion, AccessMode.ReadWrite, 403, "tenant-pending-deletion")]
    [InlineData(TenantStatus.Purged, AccessMode.ReadWrite, 404, "tenant-not-found")]
    [InlineData(TenantStatus.Failed, AccessMode.ReadWrite, 404, "tenant-not-found")]
    [InlineData(TenantStatus.Suspended, AccessMode.ReadWrite, 200, "")]
    [InlineData(TenantStatus.Active, AccessMode.Offline, 200, "")]
    [InlineData(TenantStatus.Active, AccessMode.ReadOnly, 200, "")]
    public async Task A_tenants_condition_decides(TenantStatus status, AccessMode access, int expected, string code)
    {
        var tenant = await host.NewTenantAsync(
            $"c-{status.ToText()}-{access.ToText()}".ToLowerInvariant(),
            status,
            access
        );
        var answer = await SendAsync(await host.NewKeyAsync(tenant, "owner"), "/v1/tenant", null, []);
        if (expected == 200)
        {
            var body = await answer.JsonAsync();
            Assert.Equal(status.ToText(), body.GetProperty("status").GetString());
            Assert.Equal(access.ToText(), body.GetProperty("accessMode").GetString());
            Assert.Equal("search", body.GetProperty("features")[0].GetString());
            Assert.Equal(JsonValueKind.Object, body.GetProperty("limits").ValueKind);
            Assert.Matches("[.][0-9]{6}Z$", body.GetProperty("createdAt").GetString()!);
            return;
        }

        await answer.ShouldBeAsync(expected, code);
        Assert.Equal(expected == 503, answer.Headers.RetryAfter is not null);
        if (status is TenantStatus.PendingDeletion)
        {
            Assert.Equal("2030-01-02T03:04:05.678901Z", (await answer.JsonAsync()).GetProperty("purgeAt").GetString());
        }
    }

    private async Task<HttpResponseMessage> SendAsync(string credential, string path, string? at, string[] header)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (at is not null)
        {
            request.Headers.Host = at;
        }

        foreach (var value in header)
        {
            request.Headers.TryAddWithoutValidation("X-Tenant", value);
        }

        return await host.SendAsync(request, credential);
    }

    private static IEnumerable<string> Names(HttpResponseMessage answer) => answer.Headers.Select(h => h.Key).Order();
}
