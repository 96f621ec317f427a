using Microsoft.AspNetCore.Http;
using TenantDocs.Api.Http;

namespace TenantDocs.Tests.Http;

public class PreconditionsTests
{
    [Theory]
    [InlineData("\"7\"", true)]
    [InlineData("\"6\", \"7\"", true)]
    [InlineData("\"6\",\"7\"", true)]
    [InlineData("*", true)]
    [InlineData(" * ", true)]
    [InlineData("\"6\"", false)]
    [InlineData("W/\"7\"", false)]
    [InlineData("\"07\"", false)]
    [InlineData("\"+7\"", false)]
    [InlineData("\"abc\"", false)]
    [InlineData("\"\"", false)]
    [InlineData("\"99999999999999999999\"", false)]
    public void If_Match_compares_strongly(string header, bool matches) =>
        Assert.Equal(matches, Preconditions.RequireIfMatch(Request("If-Match", header)).Value.Match(7));

    [Theory]
    [InlineData("7")]
    [InlineData("\"7")]
    [InlineData("\"7\" \"8\"")]
    [InlineData("\"7\", *")]
    [InlineData("w/\"7\"")]
    [InlineData(",")]
    public void What_is_no_list_of_entity_tags_is_refused(string header) =>
        Assert.Equal("validation-failed", Preconditions.RequireIfMatch(Request("If-Match", header)).Error?.Code);

    [Fact]
    public void A_change_without_If_Match_is_428() =>
        Assert.Equal(
            "precondition-required",
            Preconditions.RequireIfMatch(new DefaultHttpContext().Request).Error?.Code
        );

    [Theory]
    [InlineData("\"7\"", true)]
    [InlineData("W/\"7\"", true)]
    [InlineData("\"1\", W/\"7\"", true)]
    [InlineData("*", true)]
    [InlineData("\"8\"", false)]
    [InlineData("nonsense", false)]
    [InlineData("", false)]
    public void If_None_Match_compares_weakly(string header, bool isNotModified) =>
        Assert.Equal(isNotModified, Preconditions.IsNotModified(Request("If-None-Match", header), 7));

    [Fact]
    public void Two_header_lines_are_one_list() =>
        Assert.True(
            Preconditions
                .RequireIfMatch(
                    Request("If-Match", new Microsoft.Extensions.Primitives.StringValues(["\"6\"", "\"7\""]))
                )
                .Value.Match(7)
        );

    private static HttpRequest Request(string name, Microsoft.Extensions.Primitives.StringValues value)
    {
        var request = new DefaultHttpContext().Request;
        request.Headers[name] = value;
        return request;
    }
}
