using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace TenantDocs.Operations;

/// <summary>
/// The one JSON form of inputs, states and results: camelCase, enumerations by name, absent instead of null, times in UTC with
/// six digits of microseconds and Z (a result is shown to clients as it is kept).
/// </summary>
internal static class OperationJson
{
    public static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase), new TimeConverter() },
    };

    public static JsonElement Empty { get; } = JsonDocument.Parse("{}").RootElement;

    public static JsonElement Write(object value) => JsonSerializer.SerializeToElement(value, value.GetType(), Options);

    public static T Read<T>(JsonElement value) =>
        value.Deserialize<T>(Options) ?? throw new FormatException($"An operation holds no {typeof(T).Name}.");

    private sealed class TimeConverter : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            reader.GetDateTimeOffset();

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
            writer.WriteStringValue(
                value.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture)
            );
    }
}
