using System.Globalization;
using Microsoft.OpenApi;
using TenantDocs.Catalog;

namespace TenantDocs.Api.Http;

/// <summary>A query parameter of an operation. Admission refuses those that an operation does not have.</summary>
/// <param name="Name">Its name; case matters.</param>
/// <param name="Text">For the description: what it does, and its default.</param>
internal sealed record QueryParameter(string Name, string Text)
{
    /// <summary>JSON type of the value.</summary>
    public JsonSchemaType Type { get; init; } = JsonSchemaType.String;

    /// <summary>Format of the value, such as <c>uuid</c>.</summary>
    public string? Format { get; init; }

    /// <summary>The values there are; null = any.</summary>
    public IReadOnlyList<string>? Choices { get; init; }

    /// <summary>Least and most of a number.</summary>
    public (long Least, long Most)? Range { get; init; }

    /// <summary>Without it the operation is refused.</summary>
    public bool IsRequired { get; init; }

    public static QueryParameter Limit { get; } =
        Number("limit", $"Items of a page; {RequestQuery.DefaultLimit} by default.", 1, RequestQuery.MaxLimit);

    public static QueryParameter Cursor { get; } =
        new("cursor", "Where the page begins: `next` of the page before, for the same filter and sort.");

    public static QueryParameter Number(string name, string text, long least, long most) =>
        new(name, text) { Type = JsonSchemaType.Integer, Range = (least, most) };

    public static QueryParameter Flag(string name, string text) => new(name, text) { Type = JsonSchemaType.Boolean };

    public static QueryParameter Id(string name, string text) => new(name, text) { Format = "uuid" };

    public static QueryParameter Time(string name, string text) => new(name, text) { Format = "date-time" };

    public static QueryParameter OneOf(string name, string text, params IReadOnlyList<string> choices) =>
        new(name, text) { Choices = choices };

    public static QueryParameter OneOf<TEnum>(string name, string text)
        where TEnum : struct, Enum => OneOf(name, text, [.. Enum.GetValues<TEnum>().Select(v => v.ToText())]);

    /// <summary>The schema of the value.</summary>
    public OpenApiSchema ToSchema() =>
        new()
        {
            Type = Type,
            Format = Format,
            Enum = Choices?.Select(c => (System.Text.Json.Nodes.JsonNode)c).ToList(),
            Minimum = Range?.Least.ToString(CultureInfo.InvariantCulture),
            Maximum = Range is { Most: < long.MaxValue and var most }
                ? most.ToString(CultureInfo.InvariantCulture)
                : null,
        };
}

/// <summary>The query parameters of an endpoint; one without this has none.</summary>
internal sealed record QueryParameters(IReadOnlyList<QueryParameter> All);
