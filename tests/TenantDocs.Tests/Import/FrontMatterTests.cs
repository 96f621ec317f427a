using System.Text.Json;
using TenantDocs.Import;

namespace TenantDocs.Tests.Import;

public sealed class FrontMatterTests
{
    [Fact]
    public void A_mapping_between_the_lines_becomes_values_and_leaves_the_text()
    {
        var front = FrontMatter.Split("---\ntitle: Hello\ncount: 3\nratio: 1.50\non: true\nnone: ~\n---\n\n# Body\n");

        Assert.Equal("""{"title":"Hello","count":3,"ratio":1.50,"on":true,"none":null}""", front.Values.ToJsonString());
        Assert.Equal("# Body\n", front.Body);
        Assert.Null(front.Warning);
    }

    [Theory]
    [InlineData("2024-01-31", "2024-01-31")]
    [InlineData("2024-01-31 7:05:09", "2024-01-31T07:05:09")]
    [InlineData("2024-01-31T07:05:09.25Z", "2024-01-31T07:05:09.25Z")]
    [InlineData("2024-01-31 07:05:09 +2", "2024-01-31T07:05:09+02:00")]
    [InlineData("2024-01-31 07:05:09 -0530", "2024-01-31T07:05:09-05:30")]
    public void A_date_is_iso_text(string yaml, string text) =>
        Assert.Equal(text, FrontMatter.Split($"---\nat: {yaml}\n---\n").Values["at"]!.GetValue<string>());

    [Theory]
    [InlineData("007")] // zeros that lead would be lost
    [InlineData("1e999")] // no number that JSON's readers can hold
    [InlineData("12345678901234567890123456")] // digits would be lost
    [InlineData("0x1F")]
    [InlineData("yes")] // a word in YAML 1.2, not a truth value
    [InlineData(".nan")]
    public void What_would_lose_something_as_a_number_stays_text(string yaml) =>
        Assert.Equal(yaml, FrontMatter.Split($"---\nv: {yaml}\n---\n").Values["v"]!.GetValue<string>());

    [Fact]
    public void Nested_maps_and_lists_are_kept_and_aliases_are_copied()
    {
        var front = FrontMatter.Split("---\na: &x {b: [1, two, {c: '3'}]}\nd: *x\n---\n");

        Assert.Equal("""{"a":{"b":[1,"two",{"c":"3"}]},"d":{"b":[1,"two",{"c":"3"}]}}""", front.Values.ToJsonString());
    }

    [Theory]
    [InlineData("---\ntitle: [unclosed\n---\nBody", "not YAML")]
    [InlineData("---\ntitle: a\ntitle: b\n---\nBody", "said twice")]
    [InlineData("---\n- a\n- b\n---\nBody", "no names with values")]
    [InlineData("---\njust words\n---\nBody", "no names with values")]
    [InlineData("---\ntitle: a\nBody without an end", "no closing")]
    [InlineData("---\na: *nobody\n---\nBody", "not YAML")]
    [InlineData("+++\ntitle = 'a'\n+++\nBody", "TOML")]
    public void What_is_not_understood_stays_text_with_a_warning(string text, string warning)
    {
        var front = FrontMatter.Split(text);

        Assert.Equal(text, front.Body);
        Assert.Empty(front.Values);
        Assert.Contains(warning, front.Warning, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("# No front matter\n\n---\n\na: b\n")]
    [InlineData("---\n\nA rule at the top, and no other line of that kind.\n")]
    [InlineData("")]
    [InlineData("----\na: b\n----\n")]
    public void A_text_without_front_matter_is_left_alone(string text)
    {
        var front = FrontMatter.Split(text);

        Assert.Equal(text, front.Body);
        Assert.Null(front.Warning);
    }

    [Fact]
    public void Windows_line_ends_and_empty_front_matter_are_understood()
    {
        Assert.Equal("Body\r\n", FrontMatter.Split("---\r\ntitle: a\r\n---\r\nBody\r\n").Body);
        Assert.Equal("Body", FrontMatter.Split("---\n---\nBody").Body);
    }

    [Theory]
    [InlineData(40, 1)]
    [InlineData(30_000, 1)]
    public void Nesting_without_end_is_refused_not_followed(int depth, int width)
    {
        var yaml = $"---\na: {new string('[', depth)}{width}{new string(']', depth)}\n---\nBody";

        Assert.Contains("kept as text", FrontMatter.Split(yaml).Warning, StringComparison.Ordinal);
    }

    [Fact]
    public void Aliases_of_aliases_are_refused_before_they_fill_the_memory()
    {
        var lines = Enumerable
            .Range(1, 12)
            .Select(i => $"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]");
        var text = $"---\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{string.Join('\n', lines)}\n---\nBody";

        Assert.Contains("too many values", FrontMatter.Split(text).Warning, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_value_is_json_that_can_be_read_again()
    {
        var front = FrontMatter.Split(
            "---\nquote: \"a\\\"b\\\\\"\nemoji: 😀\nmulti: |\n  one\n  two\nkey with spaces: v\n---\n"
        );

        using var json = JsonDocument.Parse(front.Values.ToJsonString());
        Assert.Equal("a\"b\\", json.RootElement.GetProperty("quote").GetString());
        Assert.Equal("one\ntwo\n", json.RootElement.GetProperty("multi").GetString());
        Assert.Equal("😀", json.RootElement.GetProperty("emoji").GetString());
    }
}
