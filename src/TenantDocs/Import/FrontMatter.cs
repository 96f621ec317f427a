using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;

namespace TenantDocs.Import;

/// <summary>What stands between two lines of <c>---</c> at the top of a file, and the text below it.</summary>
/// <param name="Values">The YAML mapping; empty when there is none.</param>
/// <param name="Body">The text without it; the whole text when it was not understood.</param>
/// <param name="Warning">Why it was not understood.</param>
internal sealed partial record FrontMatter(JsonObject Values, string Body, string? Warning)
{
    /// <summary>Longest front matter that is read, in characters: metadata could not hold a longer one.</summary>
    private const int MaxLength = 64 * 1024;

    /// <summary>Splits a file's text. Never fails: what is not understood stays part of the text, with a warning.</summary>
    public static FrontMatter Split(string text)
    {
        if (TomlFence().IsMatch(text))
        {
            return Whole(text, "Front matter between +++ lines (TOML) is not understood; it was kept as text.");
        }

        if (Opening().Match(text) is not { Success: true } opening)
        {
            return Whole(text, null);
        }

        var closing = Closing().Match(text, opening.Length);
        if (!closing.Success)
        {
            // A line at the top is also how Markdown writes a rule; only what looks like YAML deserves a word.
            var looksLikeYaml = KeyLine()
                .IsMatch(text.AsSpan(opening.Length, Math.Min(200, text.Length - opening.Length)));
            return Whole(text, looksLikeYaml ? "Front matter has no closing --- line; it was kept as text." : null);
        }

        var yaml = text[opening.Length..closing.Index];
        var body = text[(closing.Index + closing.Length)..].TrimStart('\r', '\n');
        try
        {
            if (yaml.Length > MaxLength)
            {
                return Whole(text, "Front matter is longer than 64 KiB; it was kept as text.");
            }

            return YamlJson.Read(yaml) switch
            {
                JsonObject values => new FrontMatter(values, body, null),
                null => new FrontMatter([], body, null),
                _ => Whole(text, "Between the --- lines are no names with values; they were kept as text."),
            };
        }
        catch (YamlException e)
        {
            var message = e.Message.ReplaceLineEndings(" ");
            return Whole(text, $"Front matter is not YAML, line {e.Start.Line + 1}: {message}; it was kept as text.");
        }
    }

    private static FrontMatter Whole(string text, string? warning) => new([], text, warning);

    [GeneratedRegex(@"\A---[ \t]*(\r\n|\n|\r)")]
    private static partial Regex Opening();

    [GeneratedRegex(@"^(---|\.\.\.)[ \t]*(\r\n|\n|\r|\z)", RegexOptions.Multiline)]
    private static partial Regex Closing();

    [GeneratedRegex(@"\A\+\+\+[ \t]*(\r\n|\n|\r)")]
    private static partial Regex TomlFence();

    [GeneratedRegex(@"\A\s*[A-Za-z_][\w-]*[ \t]*:")]
    private static partial Regex KeyLine();
}
