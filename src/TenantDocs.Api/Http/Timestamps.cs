using System.Globalization;
using System.Text.RegularExpressions;

namespace TenantDocs.Api.Http;

/// <summary>Times on the wire: RFC 3339 in UTC with exactly six digits of a second, which is what PostgreSQL keeps.</summary>
internal static partial class Timestamps
{
    /// <summary>Length of the written form.</summary>
    public const int Length = 27;

    private const string Pattern = "yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'";

    public static string Format(DateTimeOffset time) =>
        time.UtcDateTime.ToString(Pattern, CultureInfo.InvariantCulture);

    public static void Format(DateTimeOffset time, Span<char> text) =>
        time.UtcDateTime.TryFormat(text, out _, Pattern, CultureInfo.InvariantCulture);

    /// <summary>Reads RFC 3339 with any offset; a time without an offset names no moment and is refused.</summary>
    public static bool TryParse(string? text, out DateTimeOffset time)
    {
        time = default;
        if (
            text is null
            || !Rfc3339().IsMatch(text)
            || !DateTimeOffset.TryParse(
                text,
                CultureInfo.InvariantCulture,
                DateTimeStyles.AdjustToUniversal,
                out var parsed
            )
        )
        {
            return false;
        }

        // PostgreSQL keeps microseconds; a hundred nanoseconds more would never compare equal to what was written.
        time = new DateTimeOffset(parsed.Ticks / TimeSpan.TicksPerMicrosecond * TimeSpan.TicksPerMicrosecond, default);
        return true;
    }

    [GeneratedRegex(
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})\\z",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex Rfc3339();
}
