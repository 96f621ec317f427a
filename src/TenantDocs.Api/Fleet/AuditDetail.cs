using System.Text.Json;
using System.Text.Json.Nodes;
using TenantDocs.Api.Http;

namespace TenantDocs.Api.Fleet;

/// <summary>What the audit keeps of a call: how it ended, and of its body the fields that its endpoint names and shows.</summary>
internal static class AuditDetail
{
    /// <summary>What was asked; an empty object when nothing of it is shown.</summary>
    public static JsonElement OfRequest(ReadOnlySpan<byte> body, IReadOnlySet<string>? shown)
    {
        var detail = new JsonObject();
        if (shown is not null && RequestOf(body, shown) is { } request)
        {
            detail["request"] = request;
        }

        return JsonSerializer.SerializeToElement(detail);
    }

    /// <summary>How it was answered.</summary>
    public static JsonElement OfOutcome(int status) =>
        JsonSerializer.SerializeToElement(new JsonObject { ["status"] = status });

    // A field that the endpoint does not have is not kept: it may be a misspelt one that holds a secret.
    private static JsonObject? RequestOf(ReadOnlySpan<byte> body, IReadOnlySet<string> shown)
    {
        try
        {
            // What PostgreSQL cannot keep as text was refused, and is not shown.
            if (body.IsEmpty || JsonText.FindFault(body) is not null || JsonNode.Parse(body) is not JsonObject members)
            {
                return null;
            }

            var request = new JsonObject();
            foreach (var (name, value) in members)
            {
                if (shown.Contains(name))
                {
                    request[name] = Kept(value);
                }
            }

            return request;
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            return null; // not JSON, or a name twice: the handler refused it
        }
    }

    // A number of JSON can be larger than any that jsonb holds; such a one is kept as its text.
    private static JsonNode? Kept(JsonNode? value) =>
        value switch
        {
            JsonValue number when number.GetValueKind() is JsonValueKind.Number && !number.TryGetValue<long>(out _) =>
                number.ToJsonString(),
            JsonArray items => new JsonArray([.. items.Select(Kept)]),
            JsonObject members => members.ToJsonString(),
            null => null,
            _ => value.DeepClone(),
        };
}
