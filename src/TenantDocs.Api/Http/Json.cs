using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace TenantDocs.Api.Http;

/// <summary>The one way in which this host writes JSON. Reading a request's body is <see cref="JsonBody"/>.</summary>
internal static class Json
{
    public const int MaxDepth = 32;

    /// <summary>For values without a source-generated contract.</summary>
    public static JsonSerializerOptions Options { get; } = NewOptions(new DefaultJsonTypeInfoResolver());

    /// <summary>For hand-written JSON.</summary>
    public static JsonWriterOptions WriterOptions { get; } =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Fresh options, for the constructor of a source-generated context: <c>new DocumentsJson(Json.NewOptions())</c>.</summary>
    public static JsonSerializerOptions NewOptions() => Apply(new JsonSerializerOptions());

    /// <summary>Sets the host's rules on options that something else made.</summary>
    public static JsonSerializerOptions Apply(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        options.DictionaryKeyPolicy = null;
        options.PropertyNameCaseInsensitive = false;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
        options.AllowDuplicateProperties = false;
        options.MaxDepth = MaxDepth;
        // The answers are application/json with nosniff, never part of a page: text stays readable and small.
        options.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        options.Converters.Add(new TimestampConverter());
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false));
        return options;
    }

    /// <summary>A success with a body.</summary>
    public static IResult Result<T>(
        T value,
        JsonTypeInfo<T> type,
        int status = StatusCodes.Status200OK,
        string? etag = null,
        string? location = null
    ) => new JsonResult<T>(value, type, status, etag, location);

    /// <summary>A success with a body, by the contract of <see cref="Options"/>.</summary>
    public static IResult Result<T>(
        T value,
        int status = StatusCodes.Status200OK,
        string? etag = null,
        string? location = null
    ) => Result(value, (JsonTypeInfo<T>)Options.GetTypeInfo(typeof(T)), status, etag, location);

    private static JsonSerializerOptions NewOptions(IJsonTypeInfoResolver resolver)
    {
        var options = NewOptions();
        options.TypeInfoResolver = resolver;
        options.MakeReadOnly();
        return options;
    }

    private sealed class JsonResult<T>(T value, JsonTypeInfo<T> type, int status, string? etag, string? location)
        : IResult,
            IStatusCodeHttpResult
    {
        public int? StatusCode => status;

        public Task ExecuteAsync(HttpContext httpContext)
        {
            var response = httpContext.Response;
            response.StatusCode = status;
            response.ContentType = "application/json";
            if (etag is not null)
            {
                response.Headers.ETag = etag;
            }

            if (location is not null)
            {
                response.Headers.Location = location;
            }

            return JsonSerializer.SerializeAsync(response.BodyWriter, value, type, httpContext.RequestAborted);
        }
    }

    private sealed class TimestampConverter : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions o) =>
            Timestamps.TryParse(reader.GetString(), out var time)
                ? time
                : throw new JsonException("Not a time in RFC 3339 form.");

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options)
        {
            Span<char> text = stackalloc char[Timestamps.Length];
            Timestamps.Format(value, text);
            writer.WriteStringValue(text);
        }
    }
}
