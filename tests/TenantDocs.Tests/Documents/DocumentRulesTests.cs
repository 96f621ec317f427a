using TenantDocs.Documents;

namespace TenantDocs.Tests.Documents;

public class DocumentRulesTests
{
    private static readonly DocumentContent Good = new() { Title = "t", Body = "" };

    [Fact]
    public void A_title_is_counted_in_characters_as_people_and_PostgreSQL_count_them()
    {
        Assert.Empty(DocumentRules.Check(Good with { Title = string.Concat(Enumerable.Repeat("🎨", 500)) }));
        Assert.Empty(DocumentRules.Check(Good with { Title = new string('x', 500) }));
        Assert.Contains("title", DocumentRules.Check(Good with { Title = new string('x', 501) }).Keys);
        Assert.Contains("title", DocumentRules.Check(Good with { Title = "" }).Keys);
        Assert.Contains("title", DocumentRules.Check(Good with { Title = " \t" }).Keys);
    }

    [Fact]
    public void Text_that_cannot_be_kept_is_refused_in_every_field()
    {
        // Not as inline data: an attribute is kept in UTF-8, which has no half surrogates.
        foreach (var text in new[] { "a\0b", "\ud83c", "\udfa8\ud83c", "x\ud83c" })
        {
            Assert.Contains("title", DocumentRules.Check(Good with { Title = text }).Keys);
            Assert.Contains("body", DocumentRules.Check(Good with { Body = text }).Keys);
            Assert.Contains("tags", DocumentRules.Check(Good with { Tags = [text] }).Keys);
            Assert.Contains("status", DocumentRules.Check(Good with { Status = text }).Keys);
            Assert.Contains("contentType", DocumentRules.Check(Good with { ContentType = text }).Keys);
        }

        Assert.Empty(DocumentRules.Check(Good with { Title = "🎨", Body = "🎨", Tags = ["🎨"] }));
    }

    [Theory]
    [InlineData("text/markdown", true)]
    [InlineData("text/html; charset=utf-8", true)]
    [InlineData("application/vnd.api+json", true)]
    [InlineData("text/x;a=\"b c\"", true)]
    [InlineData("image/png", false)]
    [InlineData("text", false)]
    [InlineData("text/", false)]
    [InlineData("text/html\r\nX-Evil: 1", false)]
    [InlineData("text/html;", false)]
    [InlineData("", false)]
    public void A_content_type_is_a_media_type_of_text(string contentType, bool good) =>
        Assert.Equal(good, DocumentRules.Check(Good with { ContentType = contentType }).Count == 0);

    [Theory]
    [InlineData("draft", true)]
    [InlineData("inReview_2", true)]
    [InlineData("Draft", false)]
    [InlineData("in review", false)]
    [InlineData("", false)]
    [InlineData("d'; DROP TABLE documents; --", false)]
    public void A_status_is_a_word(string status, bool good) =>
        Assert.Equal(good, DocumentRules.Check(Good with { Status = status }).Count == 0);

    [Fact]
    public void Tags_have_limits_of_number_and_length()
    {
        var fifty = Enumerable.Range(0, 50).Select(i => $"{i}").ToArray();
        Assert.Empty(DocumentRules.Check(Good with { Tags = fifty }));
        Assert.NotEmpty(DocumentRules.Check(Good with { Tags = [.. fifty, "one more"] }));
        Assert.Empty(DocumentRules.Check(Good with { Tags = [new string('x', 100)] }));
        Assert.NotEmpty(DocumentRules.Check(Good with { Tags = [new string('x', 101)] }));
        Assert.NotEmpty(DocumentRules.Check(Good with { Tags = [""] }));
    }

    [Fact]
    public void A_body_is_measured_in_bytes()
    {
        Assert.Null(DocumentRules.Judge(Good with { Body = "ab" }, 2));
        Assert.Equal("payload-too-large", DocumentRules.Judge(Good with { Body = "äb" }, 2)?.Code);
    }

    [Fact]
    public void Every_version_is_later_than_the_one_before_whatever_the_clock_says()
    {
        var born = DocumentStep.Born(Guid.NewGuid(), Good, "a", new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var document = born.After!;

        var still = new DocumentMoment(document, null, "b", document.UpdatedAt, 10).Successor();
        var back = new DocumentMoment(still, null, "b", document.UpdatedAt.AddHours(-1), 10).Successor();
        var later = new DocumentMoment(back, null, "b", document.UpdatedAt.AddTicks(10_007), 10).Successor();

        Assert.Equal(document.UpdatedAt.AddMicroseconds(1), still.UpdatedAt);
        Assert.Equal(document.UpdatedAt.AddMicroseconds(2), back.UpdatedAt);
        Assert.Equal(document.UpdatedAt.AddMicroseconds(1000), later.UpdatedAt);
        Assert.Equal(4, later.Version);
    }
}
