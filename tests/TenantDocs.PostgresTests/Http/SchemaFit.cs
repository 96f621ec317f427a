using System.Text.Json;

namespace TenantDocs.PostgresTests.Http;

/// <summary>Whether a value has the form of a schema: the part of JSON Schema that our descriptions use, and stricter, for it takes no member that is not described.</summary>
internal static class SchemaFit
{
    /// <summary>Null when it fits; else where it does not.</summary>
    public static string? Fault(JsonElement document, JsonElement schema, JsonElement value, string at = "$")
    {
        schema = Follow(document, schema);
        if (schema.TryGetProperty("oneOf", out var choices) || schema.TryGetProperty("anyOf", out choices))
        {
            var faults = choices.EnumerateArray().Select(c => Fault(document, c, value, at)).ToList();
            return faults.Contains(null) ? null : faults[^1];
        }

        if (schema.TryGetProperty("type", out var type) && !Types(type).Contains(KindOf(value)))
        {
            if (!(KindOf(value) is "integer" && Types(type).Contains("number")))
            {
                return $"{at} is {KindOf(value)}, not {type.GetRawText()}";
            }
        }

        if (
            schema.TryGetProperty("enum", out var names)
            && names.EnumerateArray().All(n => n.GetRawText() != value.GetRawText())
        )
        {
            return $"{at} is not one of {names.GetRawText()}";
        }

        return value.ValueKind switch
        {
            JsonValueKind.Array when schema.TryGetProperty("items", out var items) => value
                .EnumerateArray()
                .Select((v, i) => Fault(document, items, v, $"{at}[{i}]"))
                .FirstOrDefault(f => f is not null),
            JsonValueKind.Object => FaultOfMembers(document, schema, value, at),
            _ => null,
        };
    }

    public static JsonElement Follow(JsonElement document, JsonElement schema)
    {
        while (schema.TryGetProperty("$ref", out var reference))
        {
            schema = reference.GetString()![2..].Split('/').Aggregate(document, (node, part) => node.GetProperty(part));
        }

        return schema;
    }

    private static string? FaultOfMembers(JsonElement document, JsonElement schema, JsonElement value, string at)
    {
        if (!schema.TryGetProperty("properties", out var properties))
        {
            return schema.TryGetProperty("additionalProperties", out var each) && each.ValueKind is JsonValueKind.Object
                ? value
                    .EnumerateObject()
                    .Select(m => Fault(document, each, m.Value, $"{at}.{m.Name}"))
                    .FirstOrDefault(f => f is not null)
                : null;
        }

        if (
            schema.TryGetProperty("required", out var required)
            && required.EnumerateArray().FirstOrDefault(r => !value.TryGetProperty(r.GetString()!, out _))
                is { ValueKind: JsonValueKind.String } missing
        )
        {
            return $"{at} lacks {missing.GetString()}";
        }

        foreach (var member in value.EnumerateObject())
        {
            var fault = properties.TryGetProperty(member.Name, out var described)
                ? Fault(document, described, member.Value, $"{at}.{member.Name}")
                : $"{at}.{member.Name} is not described";
            if (fault is not null)
            {
                return fault;
            }
        }

        return null;
    }

    private static IEnumerable<string?> Types(JsonElement type) =>
        type.ValueKind is JsonValueKind.Array ? type.EnumerateArray().Select(t => t.GetString()) : [type.GetString()];

    private static string KindOf(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Null => "null",
            JsonValueKind.String => "string",
            JsonValueKind.True or JsonValueKind.False => "boolean",
            JsonValueKind.Array => "array",
            JsonValueKind.Object => "object",
            _ => value.TryGetInt64(out _) ? "integer" : "number",
        };
}
