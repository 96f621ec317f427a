using TenantDocs.Documents;

namespace TenantDocs.Tests.Documents;

public class HighlightTextTests
{
    [Fact]
    public void Hits_are_marked_and_everything_else_is_escaped() =>
        Assert.Equal(
            ["<mark>cat</mark> &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;<mark>cats</mark>&quot;"],
            HighlightText.Passages("\u0001cat\u0002 <script>alert('x')</script> & \"\u0001cats\u0002\"", "Title")
        );

    [Fact]
    public void A_mark_in_the_document_itself_is_text() =>
        Assert.Equal(["&lt;mark&gt;<mark>cat</mark>"], HighlightText.Passages("<mark>\u0001cat\u0002", ""));

    [Fact]
    public void Passages_without_a_hit_are_left_out_and_the_title_steps_in()
    {
        Assert.Equal(
            ["a <mark>b</mark>"],
            HighlightText.Passages("nothing\u0003a \u0001b\u0002\u0003nor here", "\u0001b\u0002")
        );
        Assert.Equal(["<mark>b</mark> &amp; c"], HighlightText.Passages("nothing", "\u0001b\u0002 & c"));
        Assert.Empty(HighlightText.Passages("nothing", "nothing"));
    }
}
