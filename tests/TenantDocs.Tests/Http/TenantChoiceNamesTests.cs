using Microsoft.Extensions.Primitives;
using TenantDocs.Api.Http;

namespace TenantDocs.Tests.Http;

public class TenantChoiceNamesTests
{
    [Theory]
    [InlineData("acme.docs.example", "acme")]
    [InlineData("ACME.DOCS.EXAMPLE", "acme")]
    [InlineData("a.b.docs.example", "a.b")]
    [InlineData("docs.example", null)]
    [InlineData(".docs.example", null)]
    [InlineData("acmedocs.example", null)]
    [InlineData("docs.example.evil", null)]
    [InlineData("127.0.0.1", null)]
    [InlineData("", null)]
    public void A_host_below_the_base_domain_names_a_tenant(string host, string? slug) =>
        Assert.Equal(slug, TenantChoice.FromHost(host, "docs.example"));

    [Fact]
    public void Every_name_that_is_present_counts_also_an_empty_one()
    {
        Assert.True(new TenantChoice(null, null, default).Agrees("acme"));
        Assert.True(new TenantChoice("acme", "acme", "acme").Agrees("acme"));
        Assert.True(new TenantChoice(null, null, new StringValues(["acme", "acme"])).Agrees("acme"));
        Assert.False(new TenantChoice(null, null, "").Agrees("acme"));
        Assert.False(new TenantChoice(null, null, new StringValues(["acme", "globex"])).Agrees("acme"));
        Assert.False(new TenantChoice("", null, default).Agrees("acme"));
        Assert.False(new TenantChoice(null, "", default).Agrees("acme"));
        Assert.False(new TenantChoice("acme", "globex", default).Agrees("acme"));
    }

    [Theory]
    [InlineData("/t/acme/v1/documents/1", "acme", "/v1/documents/1")]
    [InlineData("/t/acme/v1", "acme", "/v1")]
    [InlineData("/t//v1/me", "", "/v1/me")]
    public void The_prefix_is_split_off(string path, string slug, string rest)
    {
        Assert.True(TenantChoice.TrySplitPath(path, out var found, out var remaining));
        Assert.Equal(slug, found);
        Assert.Equal(rest, remaining.Value);
    }

    [Theory]
    [InlineData("/v1/me")]
    [InlineData("/t/acme")]
    [InlineData("/t/acme/admin/v1/tenants")]
    [InlineData("/t/acme/v10/me")]
    [InlineData("/t/acme/t/globex/v1/me")]
    [InlineData("/tt/acme/v1/me")]
    public void Other_paths_stay(string path) => Assert.False(TenantChoice.TrySplitPath(path, out _, out _));
}
