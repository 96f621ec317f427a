using System.Buffers;
using System.Text;
using System.Text.Json;
using TenantDocs.Api.Http;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

/// <summary>
/// Documents as JSON, written by hand straight into the answer: metadata is JSON already, and a body of megabytes must not
/// take a detour.
/// </summary>
internal static class DocumentJson
{
    /// <summary>A document as the answer of a read or a write.</summary>
    public static IResult Result(
        Document document,
        TimeSpan trashRetention,
        int status = StatusCodes.Status200OK,
        string? location = null
    ) => new DocumentResult(document, trashRetention, status, location);

    /// <summary>A page of documents.</summary>
    public static IResult Page(IReadOnlyList<Document> items, string? next, TimeSpan trashRetention) =>
        new PageResult(items, next, trashRetention);

    /// <summary>A document as text, to be kept under an idempotency key.</summary>
    public static string ToText(Document document, TimeSpan trashRetention)
    {
        var buffer = new ArrayBufferWriter<byte>(1024 + (document.Content.Body?.Length ?? 0));
        using (var json = new Utf8JsonWriter(buffer, Json.WriterOptions))
        {
            Write(json, document, trashRetention);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void Write(Utf8JsonWriter json, Document document, TimeSpan trashRetention)
    {
        var content = document.Content;
        json.WriteStartObject();
        json.WriteString("id"u8, document.Id);
        json.WriteString("title"u8, content.Title);
        if (content.Body is { } body)
        {
            json.WriteString("body"u8, body);
        }

        json.WriteString("contentType"u8, content.ContentType);
        json.WriteString("status"u8, content.Status);
        if (content.CollectionId is { } collection)
        {
            json.WriteString("collectionId"u8, collection);
        }
        else
        {
            json.WriteNull("collectionId"u8);
        }

        json.WriteStartArray("tags"u8);
        foreach (var tag in content.Tags)
        {
            json.WriteStringValue(tag);
        }

        json.WriteEndArray();
        json.WritePropertyName("metadata"u8);
        json.WriteRawValue(content.Metadata, skipInputValidation: true);
        json.WriteNumber("version"u8, document.Version);
        Write(json, "createdAt"u8, document.CreatedAt);
        json.WriteString("createdBy"u8, document.CreatedBy);
        Write(json, "updatedAt"u8, document.UpdatedAt);
        json.WriteString("updatedBy"u8, document.UpdatedBy);
        if (document.DeletedAt is { } deletedAt)
        {
            Write(json, "deletedAt"u8, deletedAt);
            Write(json, "purgeAt"u8, deletedAt + trashRetention);
        }
        else
        {
            json.WriteNull("deletedAt"u8);
        }

        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, ReadOnlySpan<byte> name, DateTimeOffset time)
    {
        Span<char> text = stackalloc char[Timestamps.Length];
        Timestamps.Format(time, text);
        json.WriteString(name, text);
    }

    private sealed class DocumentResult(Document document, TimeSpan trashRetention, int status, string? location)
        : IResult,
            IStatusCodeHttpResult
    {
        public int? StatusCode => status;

        public async Task ExecuteAsync(HttpContext httpContext)
        {
            var response = httpContext.Response;
            response.StatusCode = status;
            response.ContentType = "application/json";
            response.Headers.ETag = document.ETag;
            if (location is not null)
            {
                response.Headers.Location = location;
            }

            using (var json = new Utf8JsonWriter(response.BodyWriter, Json.WriterOptions))
            {
                Write(json, document, trashRetention);
            }

            await response.BodyWriter.FlushAsync(httpContext.RequestAborted);
        }
    }

    private sealed class PageResult(IReadOnlyList<Document> items, string? next, TimeSpan trashRetention)
        : IResult,
            IStatusCodeHttpResult
    {
        public int? StatusCode => StatusCodes.Status200OK;

        public async Task ExecuteAsync(HttpContext httpContext)
        {
            var response = httpContext.Response;
            response.ContentType = "application/json";
            using (var json = new Utf8JsonWriter(response.BodyWriter, Json.WriterOptions))
            {
                json.WriteStartObject();
                json.WriteStartArray("items"u8);
                foreach (var document in items)
                {
                    Write(json, document, trashRetention);
                }

                json.WriteEndArray();
                json.WriteString("next"u8, next);
                json.WriteEndObject();
            }

            await response.BodyWriter.FlushAsync(httpContext.RequestAborted);
        }
    }
}
