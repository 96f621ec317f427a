using System.Text.Json;
using TenantDocs.Documents;

namespace TenantDocs.Tests.Documents;

public class DocumentFieldsTests
{
    private static readonly DocumentContent Start = new()
    {
        Title = "One",
        Body = "text",
        Status = "published",
        CollectionId = new Guid("11111111-2222-3333-4444-555555555555"),
        Tags = ["a"],
        Metadata = """{"a":{"b":1,"c":2},"d":[1]}""",
    };

    [Fact]
    public void A_whole_document_takes_defaults_for_what_is_not_there()
    {
        var content = Parse("""{"title":"One","body":""}""").Then(f => f.ToContent()).Value;

        Assert.Equal(new DocumentContent { Title = "One", Body = "" }, content);
        Assert.Equal(("text/markdown", "draft", "{}"), (content.ContentType, content.Status, content.Metadata));
    }

    [Fact]
    public void A_patch_keeps_what_is_absent_and_empties_what_is_null()
    {
        Assert.Equal(Start, Patched("{}"));
        Assert.Equal(Start with { Title = "Two" }, Patched("""{"title":"Two"}"""));
        Assert.Equal(Start with { CollectionId = null }, Patched("""{"collectionId":null}"""));
        Assert.Equal(Start with { Tags = [], Metadata = "{}" }, Patched("""{"tags":null,"metadata":null}"""));
        Assert.Equal(Start with { Status = "draft" }, Patched("""{"status":null}"""));
    }

    // The cases are those of RFC 7396, appendix A, as far as the root is an object.
    [Theory]
    [InlineData("""{"a":"b"}""", """{"a":"c"}""", """{"a":"c"}""")]
    [InlineData("""{"a":"b"}""", """{"b":"c"}""", """{"a":"b","b":"c"}""")]
    [InlineData("""{"a":"b"}""", """{"a":null}""", "{}")]
    [InlineData("""{"a":"b","b":"c"}""", """{"a":null}""", """{"b":"c"}""")]
    [InlineData("""{"a":["b"]}""", """{"a":"c"}""", """{"a":"c"}""")]
    [InlineData("""{"a":"c"}""", """{"a":["b"]}""", """{"a":["b"]}""")]
    [InlineData("""{"a":{"b":"c"}}""", """{"a":{"b":"d","c":null}}""", """{"a":{"b":"d"}}""")]
    [InlineData("""{"a":[{"b":"c"}]}""", """{"a":[1]}""", """{"a":[1]}""")]
    [InlineData("""{"e":null}""", """{"a":1}""", """{"e":null,"a":1}""")]
    [InlineData("{}", """{"a":{"bb":{"ccc":null}}}""", """{"a":{"bb":{}}}""")]
    [InlineData(
        """{"n":1.50,"big":123456789012345678901234567890}""",
        """{"x":1e400}""",
        """{"n":1.50,"big":123456789012345678901234567890,"x":1e400}"""
    )]
    public void Metadata_merges_as_the_standard_says(string target, string patch, string result) =>
        Assert.Equal(
            result,
            Parse($$"""{"metadata":{{patch}}}""").Then(f => f.Apply(Start with { Metadata = target })).Value.Metadata
        );

    [Theory]
    [InlineData("[]", "")]
    [InlineData("\"text\"", "")]
    [InlineData("""{"title":null}""", "title")]
    [InlineData("""{"title":1}""", "title")]
    [InlineData("""{"body":null}""", "body")]
    [InlineData("""{"body":["x"]}""", "body")]
    [InlineData("""{"tags":"x"}""", "tags")]
    [InlineData("""{"tags":[1]}""", "tags")]
    [InlineData("""{"tags":[null]}""", "tags")]
    [InlineData("""{"collectionId":"x"}""", "collectionId")]
    [InlineData("""{"collectionId":5}""", "collectionId")]
    [InlineData("""{"metadata":[]}""", "metadata")]
    [InlineData("""{"metadata":"x"}""", "metadata")]
    [InlineData("""{"status":{}}""", "status")]
    [InlineData("""{"id":"x"}""", "id")]
    [InlineData("""{"version":3}""", "version")]
    [InlineData("""{"createdAt":"2026-01-01T00:00:00Z"}""", "createdAt")]
    [InlineData("""{"deletedAt":null}""", "deletedAt")]
    [InlineData("""{"colour":"red"}""", "colour")]
    public void Wrong_types_and_fields_that_are_read_only_or_unknown_are_named(string json, string field) =>
        Assert.Contains(field, Parse(json).Error!.Errors!.Keys);

    [Fact]
    public void All_faults_come_at_once()
    {
        var error = Parse("""{"title":1,"tags":2,"colour":3}""").Error!;
        Assert.Equal(["colour", "tags", "title"], error.Errors!.Keys.Order());
    }

    [Theory]
    [InlineData("""{"a":"\u0000"}""")]
    [InlineData("""{"\u0000":1}""")]
    [InlineData("""{"a":["\ud800"]}""")]
    public void Metadata_that_PostgreSQL_cannot_keep_is_refused(string metadata)
    {
        var content = Parse($$"""{"title":"t","body":"","metadata":{{metadata}}}""").Then(f => f.ToContent());
        Assert.Equal("validation-failed", content.Error?.Code);
    }

    [Fact]
    public void Metadata_has_limits_of_size_and_depth()
    {
        Assert.Null(WithMetadata(Nested(DocumentRules.MaxMetadataDepth)).Error);
        Assert.NotNull(WithMetadata(Nested(DocumentRules.MaxMetadataDepth + 1)).Error);
        Assert.Null(WithMetadata($$"""{"a":"{{new string('x', 65_000)}}"}""").Error);
        Assert.NotNull(WithMetadata($$"""{"a":"{{new string('x', 66_000)}}"}""").Error);

        static Result<DocumentContent> WithMetadata(string metadata) =>
            Parse($$"""{"title":"t","body":"","metadata":{{metadata}}}""").Then(f => f.ToContent());
        static string Nested(int levels) =>
            string.Concat(Enumerable.Repeat("{\"a\":", levels - 1)) + "{}" + new string('}', levels - 1);
    }

    [Fact]
    public void Tags_are_trimmed_and_doubles_dropped_in_order() =>
        Assert.Equal(
            ["b", "a", "A"],
            Parse("""{"title":"t","body":"","tags":["b"," a ","A","a","b"]}""").Then(f => f.ToContent()).Value.Tags
        );

    private static Result<DocumentFields> Parse(string json) =>
        DocumentFields.Parse(JsonDocument.Parse(json).RootElement);

    private static DocumentContent Patched(string patch) => Parse(patch).Then(f => f.Apply(Start)).Value;
}
