using System.Text.Json.Nodes;
using TenantDocs.Api.Http;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

/// <param name="DocumentId">The document.</param>
/// <param name="From">The version compared from.</param>
/// <param name="To">The version compared to.</param>
/// <param name="Fields">Every field other than the body that differs, by name.</param>
/// <param name="Added">Lines of the body added.</param>
/// <param name="Removed">Lines of the body removed.</param>
/// <param name="Hunks">The changed places of the body with three lines around.</param>
/// <param name="Unified">The same as a unified diff; empty when the bodies are equal.</param>
internal sealed record DiffAnswer(
    Guid DocumentId,
    long From,
    long To,
    IReadOnlyDictionary<string, DiffField> Fields,
    int Added,
    int Removed,
    IReadOnlyList<DiffHunk> Hunks,
    string Unified
);

internal sealed record DiffField(JsonNode? From, JsonNode? To);

/// <summary><c>GET /documents/{id}/diff?from&amp;to&amp;format</c>; by default the newest version with the one before.</summary>
internal static class DocumentDiff
{
    public static async Task<IResult> GetAsync(
        string id,
        TenantRequest request,
        HttpContext context,
        IDocumentRepository documents,
        CancellationToken cancellationToken
    )
    {
        var query = RequestQuery.Of(context.Request);
        var to = query.Number("to", 1, long.MaxValue);
        var from = query.Number("from", 1, long.MaxValue);
        var format = query.OneOf("format", "json", "unified");
        var trashed = query.Flag("trashed") ?? false;
        if (query.Finish() is { } fault)
        {
            return Problems.Of(fault);
        }

        if (!Guid.TryParseExact(id, "D", out var key))
        {
            return Problems.Of(Error.NotFound);
        }

        if (to is null)
        {
            var current = await documents.FindAsync(request.Tenant, key, trashed, cancellationToken);
            to = current?.Version ?? 0;
        }

        from ??= Math.Max(1, to.Value - 1);
        var found = await documents.FindVersionsAsync(
            request.Tenant,
            key,
            from.Value,
            to.Value,
            trashed,
            cancellationToken
        );
        var before = found.FirstOrDefault(d => d.Version == from);
        var after = found.FirstOrDefault(d => d.Version == to);
        if (before is null || after is null)
        {
            return Problems.Of(Error.NotFound);
        }

        if (TextDiff.Of(before.Content.Body!, after.Content.Body!) is not { } diff)
        {
            return Problems.Of(TooManyLines);
        }

        var unified = diff.ToUnified($"{key} version {from}", $"{key} version {to}");
        return format is "unified"
            ? TypedResults.Text(unified, "text/x-diff; charset=utf-8")
            : Json.Result(
                new DiffAnswer(
                    key,
                    from.Value,
                    to.Value,
                    Fields(before.Content, after.Content),
                    diff.Added,
                    diff.Removed,
                    diff.Hunks,
                    unified
                ),
                DocumentsJson.Web.DiffAnswer
            );
    }

    private static Error TooManyLines { get; } =
        new(
            ErrorKind.Unprocessable,
            "unprocessable",
            $"The versions differ over more than {TextDiff.MostLines} lines. Read both of them and compare them yourself."
        );

    private static Dictionary<string, DiffField> Fields(DocumentContent before, DocumentContent after)
    {
        var fields = new Dictionary<string, DiffField>(StringComparer.Ordinal);
        Note("title", before.Title != after.Title, c => c.Title);
        Note("contentType", before.ContentType != after.ContentType, c => c.ContentType);
        Note("status", before.Status != after.Status, c => c.Status);
        Note("collectionId", before.CollectionId != after.CollectionId, c => c.CollectionId?.ToString());
        Note("tags", !before.Tags.SequenceEqual(after.Tags), c => new JsonArray([.. c.Tags.Select(t => (JsonNode)t)]));
        Note("metadata", before.Metadata != after.Metadata, c => JsonNode.Parse(c.Metadata));
        return fields;

        void Note(string name, bool differs, Func<DocumentContent, JsonNode?> value)
        {
            if (differs)
            {
                fields[name] = new DiffField(value(before), value(after));
            }
        }
    }
}
