using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace TenantDocs.Operations;

/// <summary>The one JSON form of inputs, states and results: camelCase, enumerations by name, absent instead of null.</summary>
internal static class OperationJson
{
    public static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public static JsonElement Empty { get; } = JsonDocument.Parse("{}").RootElement;

    public static JsonElement Write(object value) => JsonSerializer.SerializeToElement(value, value.GetType(), Options);

    public static T Read<T>(JsonElement value) =>
        value.Deserialize<T>(Options) ?? throw new FormatException($"An operation holds no {typeof(T).Name}.");
}
