using System.Text.Json;
using TenantDocs.Documents;

namespace TenantDocs.Import;

/// <summary>Which file a document was made of: <c>metadata.source</c>.</summary>
/// <param name="Path">Path in the source.</param>
/// <param name="Hash">SHA-256 of the file's bytes, hexadecimal.</param>
internal sealed record ImportOrigin(string Path, string Hash)
{
    /// <summary>Null when no import made it, or when people changed these members.</summary>
    public static ImportOrigin? Read(Document document)
    {
        using var metadata = JsonDocument.Parse(document.Content.Metadata);
        return metadata.RootElement.TryGetProperty("source", out var source) && source.ValueKind is JsonValueKind.Object
            ? Text(source, "path") is { } path && Text(source, "hash") is { } hash
                ? new ImportOrigin(path, hash)
                : null
            : null;
    }

    private static string? Text(JsonElement source, string name) =>
        source.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String
            ? value.GetString()
            : null;
}
