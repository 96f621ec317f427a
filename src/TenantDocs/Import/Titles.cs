using System.Net;
using System.Text.RegularExpressions;
using TenantDocs.Documents;

namespace TenantDocs.Import;

/// <summary>The title that a text gives itself: its first heading, or HTML's title.</summary>
internal static partial class Titles
{
    // No title stands further down, and the patterns below take their time on what only looks like markup.
    private const int Reach = 64 * 1024;
    private const int LongestLine = 2_000;

    /// <summary>One line, at most as long as a title may be; null when nothing is left.</summary>
    public static string? Tidy(string? text)
    {
        if (text is null)
        {
            return null;
        }

        var line = WhiteSpace().Replace(text.Replace("\0", "", StringComparison.Ordinal), " ").Trim();
        return line.Length == 0 ? null : FileText.Clip(line, DocumentRules.MaxTitle).TrimEnd();
    }

    /// <summary>The title in the first part of a body, or null.</summary>
    public static string? Find(FileKind kind, string body) => Look(kind, body.Length > Reach ? body[..Reach] : body);

    private static string? Look(FileKind kind, string body) =>
        kind switch
        {
            FileKind.Markdown => Tidy(Heading(body)),
            FileKind.Html => Tidy(HtmlTitle(body)),
            _ => null,
        };

    private static string? HtmlTitle(string body)
    {
        var visible = Invisible().Replace(body, "");
        return new[] { TitleElement().Match(visible), HeadingElement().Match(visible) }
            .Where(m => m.Success)
            .Select(m => WebUtility.HtmlDecode(Tag().Replace(m.Groups[1].Value, "")))
            .FirstOrDefault(t => !string.IsNullOrWhiteSpace(t));
    }

    private static string? Heading(string body)
    {
        string? fence = null;
        var before = "";
        foreach (var line in body.AsSpan().EnumerateLines())
        {
            var text = (line.Length > LongestLine ? line[..LongestLine] : line).TrimEnd().ToString();
            if (Fence().Match(text) is { Success: true } mark)
            {
                fence =
                    fence is null ? mark.Groups[1].Value
                    : mark.Groups[1].Value.StartsWith(fence, StringComparison.Ordinal) ? null
                    : fence;
                before = "";
            }
            else if (fence is null)
            {
                if (Atx().Match(text) is { Success: true } heading && Plain(heading.Groups[1].Value) is { } found)
                {
                    return found;
                }

                if (before.Length > 0 && Underline().IsMatch(text) && Plain(before) is { } underlined)
                {
                    return underlined;
                }

                before = Paragraph().IsMatch(text) ? text : "";
            }
        }

        return null;
    }

    /// <summary>A heading without the marks for links, images, code and emphasis.</summary>
    private static string? Plain(string heading)
    {
        var text = Link().Replace(heading, "$1");
        text = Tag().Replace(text, "");
        text = Emphasis().Replace(text, "$2");
        text = Escape().Replace(text, "$1");
        text = WebUtility.HtmlDecode(text).Trim();
        return text.Length == 0 ? null : text;
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();

    [GeneratedRegex(@"<!--.*?-->|<(script|style|svg)\b.*?</\1\s*>", RegexOptions.IgnoreCase | RegexOptions.Singleline)]
    private static partial Regex Invisible();

    [GeneratedRegex(@"<title\b[^>]*>(.*?)</title", RegexOptions.IgnoreCase | RegexOptions.Singleline)]
    private static partial Regex TitleElement();

    [GeneratedRegex(@"<h1\b[^>]*>(.*?)</h1", RegexOptions.IgnoreCase | RegexOptions.Singleline)]
    private static partial Regex HeadingElement();

    [GeneratedRegex(@"</?[A-Za-z][^>]*>")]
    private static partial Regex Tag();

    [GeneratedRegex(@"^ {0,3}(`{3,}|~{3,})")]
    private static partial Regex Fence();

    [GeneratedRegex(@"^ {0,3}#{1,6}[ \t]+(.*?)([ \t]+#+)?$")]
    private static partial Regex Atx();

    [GeneratedRegex(@"^ {0,3}(=+|-+)$")]
    private static partial Regex Underline();

    // What may be the text above an underline: not indented code, not a list, quote, table or rule.
    [GeneratedRegex(@"^ {0,3}[^\s>#|*+=-]")]
    private static partial Regex Paragraph();

    [GeneratedRegex(@"!?\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])")]
    private static partial Regex Link();

    [GeneratedRegex(@"(`+|\*{1,3}|\b_{1,2}|~~)(.+?)\1")]
    private static partial Regex Emphasis();

    [GeneratedRegex(@"\\([!-/:-@\[-`{-~])")]
    private static partial Regex Escape();
}
