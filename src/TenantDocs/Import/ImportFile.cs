using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using TenantDocs.Documents;

namespace TenantDocs.Import;

/// <summary>A file as the document that it is to be.</summary>
/// <param name="Id">Identity, from source and path.</param>
/// <param name="Path">Path in the source.</param>
/// <param name="Hash">SHA-256 of the file's bytes, hexadecimal.</param>
/// <param name="Content">The document.</param>
/// <param name="SaysStatus">False when the file says no status: an existing document then keeps its own.</param>
/// <param name="Warnings">What of the front matter could not be used as it is.</param>
internal sealed record ImportFile(
    Guid Id,
    string Path,
    string Hash,
    DocumentContent Content,
    bool SaysStatus,
    IReadOnlyList<string> Warnings
)
{
    private static readonly JsonSerializerOptions Readable = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Makes a document of a file's bytes, or says why it cannot be one.</summary>
    public static (ImportFile? File, string? Fault) Of(
        FolderEntry entry,
        ReadOnlySpan<byte> bytes,
        ImportOptions options,
        int maxBodyBytes
    )
    {
        var (text, fault) = FileText.Decode(bytes);
        if (text is null)
        {
            return (null, fault);
        }

        var hash = Convert.ToHexStringLower(SHA256.HashData(bytes));
        var front = FrontMatter.Split(text);
        var warnings = new List<string>();
        if (front.Warning is not null)
        {
            warnings.Add(front.Warning);
        }

        if (Metadata(front, entry, options, hash) is not { } metadata)
        {
            warnings.Add("Front matter is more than metadata can hold; it was kept as text.");
            front = new FrontMatter([], text, null);
            metadata = Metadata(front, entry, options, hash)!;
        }

        var status = Status(front, warnings);
        var content = new DocumentContent
        {
            Title = Title(front, entry),
            Body = front.Body,
            ContentType = ContentType(entry.Kind),
            Status = status ?? DocumentRules.DefaultStatus,
            CollectionId = options.CollectionId,
            Tags = Tags(front, options, warnings),
            Metadata = metadata,
        };
        return DocumentRules.Judge(content, maxBodyBytes) is { } error
            ? (null, error.Errors is { } faults ? string.Join(" ", faults.Values.SelectMany(f => f)) : error.Detail)
            : (
                new ImportFile(
                    ImportIdentity.Of(options.Source, entry.Path),
                    entry.Path,
                    hash,
                    content,
                    status is not null,
                    warnings
                ),
                null
            );
    }

    private static string ContentType(FileKind kind) =>
        kind switch
        {
            FileKind.Html => "text/html",
            FileKind.Text => "text/plain",
            _ => "text/markdown",
        };

    private static string Title(FrontMatter front, FolderEntry entry)
    {
        var name = System.IO.Path.GetFileNameWithoutExtension(entry.Path);
        return Titles.Tidy(Scalar(front.Values["title"]))
            ?? Titles.Find(entry.Kind, front.Body)
            ?? Titles.Tidy(name)
            ?? entry.Path;
    }

    private static string? Status(FrontMatter front, List<string> warnings)
    {
        if (Scalar(front.Values["status"]) is not { Length: > 0 } status)
        {
            return null;
        }

        var word = status.Trim();
        if (DocumentRules.StatusFault(word) is null)
        {
            return word;
        }

        warnings.Add($"Front matter: '{FileText.Clip(word, 40)}' is no status; it was kept in the metadata.");
        return null;
    }

    /// <summary>A list, or one text: parted by commas when it has one, else by white space.</summary>
    private static List<string> Tags(FrontMatter front, ImportOptions options, List<string> warnings)
    {
        IEnumerable<string?> given = front.Values["tags"] switch
        {
            JsonArray list => list.Select(Scalar),
            JsonValue value when Scalar(value) is { } text => text.Split(
                text.Contains(',', StringComparison.Ordinal) ? [','] : (char[]?)null
            ),
            _ => [],
        };
        var tags = DocumentRules.TidyTags(
            options
                .Tags.Concat(given.Select(t => t?.Trim().TrimStart('#') ?? ""))
                .Where(t => !string.IsNullOrWhiteSpace(t))
                .Select(t => t.Replace("\0", "", StringComparison.Ordinal))
        );
        var kept = tags.Where(t => DocumentRules.TagsFault([t]) is null).Take(DocumentRules.MaxTags).ToList();
        if (kept.Count < tags.Count)
        {
            warnings.Add(
                $"Front matter: {tags.Count - kept.Count} of {tags.Count} tags are too long or too many; left out."
            );
        }

        return kept;
    }

    /// <summary>Null when the rules of metadata do not admit it.</summary>
    private static string? Metadata(FrontMatter front, FolderEntry entry, ImportOptions options, string hash)
    {
        var metadata = front.Values.DeepClone().AsObject();
        metadata.Remove("title");
        metadata.Remove("tags");
        if (Scalar(metadata["status"]) is { } status && DocumentRules.StatusFault(status.Trim()) is null)
        {
            metadata.Remove("status");
        }

        // The name is taken; what the file says under it is kept beside.
        var said = metadata.TryGetPropertyValue("source", out var value) ? value : null;
        metadata.Remove("source");
        var source = new JsonObject
        {
            ["path"] = entry.Path,
            ["name"] = options.Source,
            ["hash"] = hash,
        };
        if (said is not null)
        {
            source["frontMatter"] = said;
        }

        metadata["source"] = source;
        using var document = JsonDocument.Parse(
            metadata.ToJsonString(Readable),
            new JsonDocumentOptions { MaxDepth = 200 }
        );
        return DocumentMetadata.Compact(document.RootElement).Text;
    }

    private static string? Scalar(JsonNode? node) =>
        node is not JsonValue value ? null
        : value.TryGetValue<string>(out var text) ? text
        : value.ToJsonString();
}
