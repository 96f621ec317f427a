using System.Text.Json;
using System.Text.Unicode;

namespace TenantDocs.Api.Http;

/// <summary>What JSON permits and PostgreSQL cannot keep: found before anything is done with a body.</summary>
internal static class JsonText
{
    private static readonly JsonReaderOptions Options = new() { MaxDepth = Json.MaxDepth };

    /// <summary>Null when every text in the body can be stored; otherwise the field and its fault.</summary>
    public static (string Field, string Fault)? FindFault(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json))
        {
            return ("$", "The body is not valid UTF-8.");
        }

        // A NUL or half a surrogate pair can only come as an escape; without escapes there is nothing to look for.
        return json.IndexOf("\\u"u8) < 0 ? null : WalkEscapes(json);
    }

    private static (string Field, string Fault)? WalkEscapes(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, Options);
        var field = "$";
        while (reader.Read())
        {
            if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName))
            {
                continue;
            }

            if (reader.ValueIsEscaped && FaultOf(ref reader) is { } fault)
            {
                return (field, fault);
            }

            if (reader.TokenType is JsonTokenType.PropertyName && reader.CurrentDepth == 1)
            {
                field = reader.GetString()!;
            }
        }

        return null;
    }

    private static string? FaultOf(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!.Contains('\0', StringComparison.Ordinal)
                ? "The character NUL (U+0000) cannot be kept in text."
                : null;
        }
        catch (InvalidOperationException)
        {
            return "An escape is half of a surrogate pair: that is no character.";
        }
    }
}
