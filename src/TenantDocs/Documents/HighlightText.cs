using System.Text;

namespace TenantDocs.Documents;

/// <summary>
/// What <c>ts_headline</c> marked, as HTML that is safe whatever the document holds: PostgreSQL marks hits with control
/// characters (removed from the document before), and everything between them is escaped here.
/// </summary>
internal static class HighlightText
{
    public const string Controls = "\u0001\u0002\u0003";

    public const string PassageOptions =
        "StartSel=\"\u0001\", StopSel=\"\u0002\", FragmentDelimiter=\"\u0003\", MaxFragments=3, MaxWords=30, MinWords=10";

    public const string TitleOptions = "StartSel=\"\u0001\", StopSel=\"\u0002\", HighlightAll=true";

    private const char Start = '\u0001';
    private const char Stop = '\u0002';
    private const char Between = '\u0003';

    /// <summary>The passages with hits; when the text has none, the title if it has one.</summary>
    public static IReadOnlyList<string> Passages(string body, string title)
    {
        var passages = body.Split(Between).Where(HasHit).Select(Escape).ToList();
        return passages.Count > 0 ? passages
            : HasHit(title) ? [Escape(title)]
            : [];
    }

    private static bool HasHit(string text) => text.Contains(Start, StringComparison.Ordinal);

    private static string Escape(string text)
    {
        var html = new StringBuilder(text.Length + 32);
        foreach (var c in text.Trim())
        {
            _ = c switch
            {
                Start => html.Append("<mark>"),
                Stop => html.Append("</mark>"),
                '&' => html.Append("&amp;"),
                '<' => html.Append("&lt;"),
                '>' => html.Append("&gt;"),
                '"' => html.Append("&quot;"),
                '\'' => html.Append("&#39;"),
                _ => html.Append(c),
            };
        }

        return html.ToString();
    }
}
