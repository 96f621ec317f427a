using TenantDocs.Catalog;

namespace TenantDocs.Documents;

/// <summary>The text forms of a change: <c>updated</c> in a list of versions, <c>document.updated</c> in the feed.</summary>
internal static class DocumentChangeText
{
    private const string Prefix = "document.";

    public static string ToFeedText(this DocumentChangeType type) => Prefix + type.ToText();

    public static DocumentChangeType ParseFeed(string text) =>
        text.StartsWith(Prefix, StringComparison.Ordinal)
            ? CatalogText.Parse<DocumentChangeType>(text[Prefix.Length..])
            : throw new FormatException($"'{text}' is no change of a document.");
}
