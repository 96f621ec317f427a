using System.Text.Json;

namespace TenantDocs.Catalog;

/// <summary>The one text form of the catalog's enumerations: camelCase, in the database, in JSON and on the command line.</summary>
public static class CatalogText
{
    /// <summary>The camelCase name of a value.</summary>
    public static string ToText<TEnum>(this TEnum value)
        where TEnum : struct, Enum => Names<TEnum>.ByValue[value];

    /// <summary>Reads a camelCase name; anything else is false.</summary>
    public static bool TryParse<TEnum>(string? text, out TEnum value)
        where TEnum : struct, Enum => Names<TEnum>.ByText.TryGetValue(text ?? "", out value);

    /// <summary>Reads a camelCase name that the catalog itself wrote.</summary>
    /// <exception cref="FormatException">The text names no value.</exception>
    public static TEnum Parse<TEnum>(string text)
        where TEnum : struct, Enum =>
        TryParse<TEnum>(text, out var value)
            ? value
            : throw new FormatException($"'{text}' is not a {typeof(TEnum).Name}.");

    private static class Names<TEnum>
        where TEnum : struct, Enum
    {
        public static readonly Dictionary<TEnum, string> ByValue = Enum.GetValues<TEnum>()
            .ToDictionary(v => v, v => JsonNamingPolicy.CamelCase.ConvertName(v.ToString()));

        public static readonly Dictionary<string, TEnum> ByText = ByValue.ToDictionary(
            p => p.Value,
            p => p.Key,
            StringComparer.Ordinal
        );
    }
}
