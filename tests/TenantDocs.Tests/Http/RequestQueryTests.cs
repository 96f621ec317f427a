using Microsoft.AspNetCore.Http;
using TenantDocs.Api.Http;

namespace TenantDocs.Tests.Http;

public class RequestQueryTests
{
    [Theory]
    [InlineData("", 50)]
    [InlineData("?limit=1", 1)]
    [InlineData("?limit=200", 200)]
    public void A_page_has_50_items_or_as_many_as_asked(string query, int limit)
    {
        var read = Read(query);
        Assert.Equal(limit, read.Limit);
        Assert.Null(read.Finish());
    }

    [Theory]
    [InlineData("?limit=0")]
    [InlineData("?limit=201")]
    [InlineData("?limit=-1")]
    [InlineData("?limit=")]
    [InlineData("?limit=1.5")]
    [InlineData("?limit=ten")]
    [InlineData("?limit=99999999999999999999")]
    public void Another_limit_is_refused(string query)
    {
        var read = Read(query);
        _ = read.Limit;
        Assert.Equal("validation-failed", read.Finish()?.Code);
    }

    [Theory]
    [InlineData("?other=1", "unknown-parameter")]
    [InlineData("?Limit=1", "unknown-parameter")]
    [InlineData("?limit=1&limit=2", "validation-failed")]
    [InlineData("?cursor=a%00b", "validation-failed")]
    public void Unknown_repeated_and_unreadable_parameters_are_refused(string query, string code) =>
        Assert.Equal(code, RequestQuery.Refuse(Request(query), [QueryParameter.Limit, QueryParameter.Cursor])?.Code);

    [Theory]
    [InlineData("")]
    [InlineData("?limit=1")]
    [InlineData("?cursor=a&limit=nonsense")]
    public void Known_parameters_are_admitted_whatever_their_value(string query) =>
        Assert.Null(RequestQuery.Refuse(Request(query), [QueryParameter.Limit, QueryParameter.Cursor]));

    [Fact]
    public void The_signature_is_the_filter_in_any_order_without_page()
    {
        var one = Read("?tag=a&sort=title&limit=5&cursor=x").Signature;
        Assert.Equal(one, Read("?sort=title&tag=a").Signature);
        Assert.NotEqual(one, Read("?sort=title&tag=b").Signature);
        Assert.NotEqual(Read("?tag=a").Signature, Read("").Signature);
    }

    [Theory]
    [InlineData("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z")]
    [InlineData("2026-01-31T12:00:00.1234567%2B02:00", "2026-01-31T10:00:00.123456Z")]
    [InlineData("2026-01-31T12:00:00.5 02:00", "2026-01-31T10:00:00.500000Z")]
    public void Times_are_read_with_any_offset(string text, string expected) =>
        Assert.Equal(expected, Timestamps.Format(Read($"?since={text}").Time("since")!.Value));

    [Theory]
    [InlineData("2026-01-31")]
    [InlineData("2026-01-31T12:00:00")]
    [InlineData("2026-02-31T12:00:00Z")]
    [InlineData("yesterday")]
    public void What_names_no_moment_is_refused(string text)
    {
        var read = Read($"?since={text}");
        Assert.Null(read.Time("since"));
        Assert.Equal(["since"], read.Finish()!.Errors!.Keys);
    }

    private static RequestQuery Read(string query) => RequestQuery.Of(Request(query));

    private static HttpRequest Request(string query)
    {
        var request = new DefaultHttpContext().Request;
        request.QueryString = new QueryString(query);
        return request;
    }
}
