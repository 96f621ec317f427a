using System.Text;
using System.Text.RegularExpressions;

namespace TenantDocs.Documents;

/// <summary>What a document may be. Plain rules without a database; the tables check the ones that would break them.</summary>
public static partial class DocumentRules
{
    /// <summary>Longest title, in code points.</summary>
    public const int MaxTitle = 500;

    /// <summary>Most tags on one document.</summary>
    public const int MaxTags = 50;

    /// <summary>Longest tag, in code points.</summary>
    public const int MaxTag = 100;

    /// <summary>Largest metadata, in bytes of compact JSON.</summary>
    public const int MaxMetadataBytes = 64 * 1024;

    /// <summary>Deepest nesting of metadata.</summary>
    public const int MaxMetadataDepth = 32;

    /// <summary>Longest idempotency key, in characters.</summary>
    public const int MaxIdempotencyKey = 255;

    /// <summary>Longest search query, in characters.</summary>
    public const int MaxQuery = 500;

    /// <summary>How long an idempotency key is kept.</summary>
    public static readonly TimeSpan IdempotencyKept = TimeSpan.FromHours(24);

    internal const string DefaultContentType = "text/markdown";
    internal const string DefaultStatus = "draft";
    internal const string EmptyMetadata = "{}";

    /// <summary>The faults of a content by field name; empty when there are none.</summary>
    public static Dictionary<string, string[]> Check(DocumentContent content)
    {
        var faults = new Dictionary<string, string[]>(StringComparer.Ordinal);
        Note(faults, "title", TitleFault(content.Title));
        Note(faults, "body", content.Body is { } body ? TextFault(body) : "A body is needed; it may be empty.");
        Note(faults, "contentType", ContentTypeFault(content.ContentType));
        Note(faults, "status", StatusFault(content.Status));
        Note(faults, "tags", TagsFault(content.Tags));
        return faults;
    }

    /// <summary>The error for a content, or null. Faults are 400; a body that is too large is 413.</summary>
    public static Error? Judge(DocumentContent content, int maxBodyBytes)
    {
        var faults = Check(content);
        if (faults.Count > 0)
        {
            return new Error(ErrorKind.Invalid, "validation-failed", "The document has faults; nothing was changed.")
            {
                Errors = faults,
            };
        }

        var bytes = Encoding.UTF8.GetByteCount(content.Body!);
        return bytes <= maxBodyBytes ? null : BodyTooLarge(maxBodyBytes);
    }

    internal static Error BodyTooLarge(int maxBodyBytes) =>
        new(
            ErrorKind.TooLarge,
            "payload-too-large",
            $"The body may have at most {maxBodyBytes} bytes of UTF-8; nothing was changed."
        )
        {
            Extensions = new Dictionary<string, object?> { ["limit"] = (long)maxBodyBytes, ["unit"] = "bytes" },
        };

    /// <summary>Trims tags and drops doubles, keeping the order of first mention.</summary>
    public static IReadOnlyList<string> TidyTags(IEnumerable<string> tags) =>
        [.. tags.Select(t => t.Trim()).Distinct(StringComparer.Ordinal)];

    /// <summary>What a document counts for in the tenant's bytes.</summary>
    internal static long BytesOf(DocumentContent content) =>
        Encoding.UTF8.GetByteCount(content.Title) + (long)Encoding.UTF8.GetByteCount(content.Body ?? "");

    /// <summary>PostgreSQL holds microseconds: what is answered must be what is stored.</summary>
    internal static DateTimeOffset Microseconds(DateTimeOffset time)
    {
        var utc = time.ToUniversalTime();
        return utc.AddTicks(-(utc.Ticks % TimeSpan.TicksPerMicrosecond));
    }

    /// <summary>Text that PostgreSQL cannot hold (NUL) or that is no Unicode text (half a surrogate pair).</summary>
    internal static string? TextFault(string text)
    {
        if (text.Contains('\0', StringComparison.Ordinal))
        {
            return "The NUL character is not allowed.";
        }

        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]))
            {
                if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
                {
                    i++;
                    continue;
                }

                return "Half of a surrogate pair is not Unicode text.";
            }
        }

        return null;
    }

    private static string? TitleFault(string title) =>
        TextFault(title)
        ?? (
            string.IsNullOrWhiteSpace(title) ? "A title is needed."
            : CodePoints(title) > MaxTitle ? $"At most {MaxTitle} characters."
            : null
        );

    private static string? ContentTypeFault(string contentType) =>
        contentType.Length <= 200 && MediaType().IsMatch(contentType)
            ? null
            : "A media type of text is needed, for example text/markdown, text/html or application/json.";

    internal static string? StatusFault(string status) =>
        StatusForm().IsMatch(status)
            ? null
            : "A word such as draft, published or archived: a lower-case letter, then up to 39 letters, digits, - or _.";

    internal static string? TagsFault(IReadOnlyList<string> tags)
    {
        if (tags.Count > MaxTags)
        {
            return $"At most {MaxTags} tags.";
        }

        foreach (var tag in tags)
        {
            var fault =
                TextFault(tag)
                ?? (
                    string.IsNullOrWhiteSpace(tag) ? "A tag is not blank."
                    : CodePoints(tag) > MaxTag ? $"A tag has at most {MaxTag} characters."
                    : null
                );
            if (fault is not null)
            {
                return fault;
            }
        }

        return null;
    }

    private static int CodePoints(string text)
    {
        var count = 0;
        foreach (var _ in text.EnumerateRunes())
        {
            count++;
        }

        return count;
    }

    private static void Note(Dictionary<string, string[]> faults, string field, string? fault)
    {
        if (fault is not null)
        {
            faults[field] = [fault];
        }
    }

    [GeneratedRegex(
        "^(text|application)/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,100}( ?; ?[A-Za-z0-9-]+=(\"[ !#-\\[\\]-~]*\"|[A-Za-z0-9._+-]+))*\\z",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex MediaType();

    [GeneratedRegex("^[a-z][a-zA-Z0-9_-]{0,39}\\z", RegexOptions.CultureInvariant)]
    private static partial Regex StatusForm();
}
