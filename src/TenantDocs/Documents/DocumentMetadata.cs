using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace TenantDocs.Documents;

/// <summary>Metadata is kept as the compact text of a JSON object, exactly as it is answered (hence the column type json).</summary>
internal static class DocumentMetadata
{
    private static readonly JsonWriterOptions Compactly = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = 1000,
    };

    /// <summary>The compact text of an object, or the fault.</summary>
    public static (string? Text, string? Fault) Compact(JsonElement element)
    {
        if (element.ValueKind is not JsonValueKind.Object)
        {
            return (null, "An object is needed.");
        }

        try
        {
            if (Fault(element, DocumentRules.MaxMetadataDepth) is { } fault)
            {
                return (null, fault);
            }

            var buffer = new ArrayBufferWriter<byte>();
            using (var writer = new Utf8JsonWriter(buffer, Compactly))
            {
                element.WriteTo(writer);
            }

            return buffer.WrittenCount > DocumentRules.MaxMetadataBytes
                ? (null, $"At most {DocumentRules.MaxMetadataBytes} bytes of JSON.")
                : (Encoding.UTF8.GetString(buffer.WrittenSpan), null);
        }
        catch (InvalidOperationException)
        {
            // What the reader throws for an escaped half of a surrogate pair.
            return (null, "Half of a surrogate pair is not Unicode text.");
        }
    }

    /// <summary>RFC 7396: members of the patch replace, null removes, objects merge.</summary>
    public static (string? Text, string? Fault) Merge(string current, JsonElement patch)
    {
        if (patch.ValueKind is not JsonValueKind.Object)
        {
            return (null, "An object is needed.");
        }

        try
        {
            var target = JsonNode.Parse(current)!.AsObject();
            Merge(target, patch);
            using var merged = JsonDocument.Parse(target.ToJsonString());
            return Compact(merged.RootElement);
        }
        catch (InvalidOperationException)
        {
            return (null, "Half of a surrogate pair is not Unicode text.");
        }
    }

    private static void Merge(JsonObject target, JsonElement patch)
    {
        foreach (var member in patch.EnumerateObject())
        {
            switch (member.Value.ValueKind)
            {
                case JsonValueKind.Null:
                    target.Remove(member.Name);
                    break;
                case JsonValueKind.Object:
                    if (target[member.Name] is not JsonObject inner)
                    {
                        inner = [];
                        target[member.Name] = inner;
                    }

                    Merge(inner, member.Value);
                    break;
                default:
                    target[member.Name] = JsonNode.Parse(member.Value.GetRawText());
                    break;
            }
        }
    }

    private static string? Fault(JsonElement element, int depthLeft)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                return DocumentRules.TextFault(element.GetString()!);
            case JsonValueKind.Array or JsonValueKind.Object when depthLeft == 0:
                return $"At most {DocumentRules.MaxMetadataDepth} levels.";
            case JsonValueKind.Array:
                return element.EnumerateArray().Select(e => Fault(e, depthLeft - 1)).FirstOrDefault(f => f is not null);
            case JsonValueKind.Object:
                return element
                    .EnumerateObject()
                    .Select(m => DocumentRules.TextFault(m.Name) ?? Fault(m.Value, depthLeft - 1))
                    .FirstOrDefault(f => f is not null);
            default:
                return null;
        }
    }
}
