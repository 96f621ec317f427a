using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using TenantDocs.Catalog;

namespace TenantDocs.Api.Http;

/// <summary>In which form a body must come.</summary>
internal enum BodyForm
{
    /// <summary><c>application/json</c>.</summary>
    Json,

    /// <summary><c>application/json</c>, or nothing at all, which counts as <c>{}</c>.</summary>
    JsonOrEmpty,

    /// <summary><c>application/merge-patch+json</c> (RFC 7396): an absent member stays, a null one is removed.</summary>
    MergePatch,
}

/// <summary>
/// A JSON object in a request. Reads member by member and gathers all faults, so that a client sees them at once;
/// <see cref="Finish"/> names those and every member that was not asked for. Dispose it after the texts were read.
/// </summary>
internal sealed class JsonBody : IDisposable
{
    private const string MergePatchType = "application/merge-patch+json";

    private static readonly JsonDocumentOptions Options = new()
    {
        MaxDepth = Json.MaxDepth,
        AllowDuplicateProperties = false,
    };

    private readonly RequestBody? _body;
    private readonly JsonDocument _document;
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);
    private Faults _faults;

    private JsonBody(RequestBody? body, JsonDocument document)
    {
        _body = body;
        _document = document;
    }

    /// <summary>The media type of a form.</summary>
    public static string TypeOf(BodyForm form) => form is BodyForm.MergePatch ? MergePatchType : "application/json";

    /// <summary>The bytes as they came (for a fingerprint); not to be kept beyond <see cref="Dispose"/>.</summary>
    public ReadOnlyMemory<byte> Bytes => _body?.Bytes ?? default;

    /// <summary>The whole object.</summary>
    public JsonElement Root => _document.RootElement;

    /// <summary>Reads the request's body: 415 for another media type, 413 for too much, 400 for what is not an object.</summary>
    public static Task<Result<JsonBody>> ReadAsync(
        HttpRequest request,
        BodyForm form,
        CancellationToken cancellationToken
    ) => ReadAsync(request, form, limit: null, cancellationToken);

    /// <summary>The same with a limit of the operation's own, in bytes.</summary>
    public static async Task<Result<JsonBody>> ReadAsync(
        HttpRequest request,
        BodyForm form,
        int? limit,
        CancellationToken cancellationToken
    )
    {
        if (!(form is BodyForm.JsonOrEmpty && IsEmpty(request)) && RefuseType(request, form) is { } refused)
        {
            return refused;
        }

        var read = limit is { } bytes
            ? await RequestBody.ReadAsync(request, bytes, cancellationToken)
            : await RequestBody.ReadAsync(request, cancellationToken);
        if (read.Error is { } error)
        {
            return error;
        }

        var body = read.Value;
        if (body.Bytes.IsEmpty && form is BodyForm.JsonOrEmpty)
        {
            body.Dispose();
            return new JsonBody(null, JsonDocument.Parse("{}"));
        }

        var parsed = Parse(body);
        if (parsed.Error is not null)
        {
            body.Dispose();
        }

        return parsed;
    }

    /// <summary>True when the member is there, also as null.</summary>
    public bool Has(string name) => TryGet(name, out _);

    /// <summary>True when the member is there and is null.</summary>
    public bool IsNull(string name) => TryGet(name, out var value) && value.ValueKind is JsonValueKind.Null;

    /// <summary>A text that must be there; the empty text when it is faulty.</summary>
    public string RequiredText(string name, int min = 1, int max = int.MaxValue)
    {
        if (!Has(name))
        {
            Fault(name, "This field is required.");
            return "";
        }

        if (IsNull(name))
        {
            Fault(name, "This field must not be null.");
            return "";
        }

        return Text(name, min, max) ?? "";
    }

    /// <summary>A text, its length counted in Unicode characters; null when absent, null or faulty.</summary>
    public string? Text(string name, int min = 0, int max = int.MaxValue) =>
        Get(name, JsonValueKind.String, "a text", out var value) ? Measured(name, value.GetString()!, min, max) : null;

    /// <summary>A list of texts; null when absent, null or faulty.</summary>
    public IReadOnlyList<string>? Texts(string name, int maxCount, int minLength, int maxLength)
    {
        if (!Get(name, JsonValueKind.Array, "a list of texts", out var value))
        {
            return null;
        }

        if (value.GetArrayLength() > maxCount)
        {
            Fault(name, $"At most {maxCount} entries.");
            return null;
        }

        var texts = new List<string>(value.GetArrayLength());
        foreach (var entry in value.EnumerateArray())
        {
            if (entry.ValueKind is not JsonValueKind.String)
            {
                Fault(name, "Each entry must be a text.");
                return null;
            }

            if (Measured(name, entry.GetString()!, minLength, maxLength) is not { } text)
            {
                return null;
            }

            texts.Add(text);
        }

        return texts;
    }

    /// <summary>One of an enumeration's camelCase names; null when absent, null or faulty.</summary>
    public TEnum? Choice<TEnum>(string name)
        where TEnum : struct, Enum
    {
        if (!Get(name, JsonValueKind.String, "a text", out var value))
        {
            return null;
        }

        if (CatalogText.TryParse<TEnum>(value.GetString(), out var choice))
        {
            return choice;
        }

        Fault(name, $"One of: {string.Join(", ", Enum.GetValues<TEnum>().Select(v => v.ToText()))}.");
        return null;
    }

    /// <summary>A whole number; null when absent, null or faulty.</summary>
    public long? Number(string name, long min = long.MinValue, long max = long.MaxValue)
    {
        if (!Get(name, JsonValueKind.Number, "a number", out var value))
        {
            return null;
        }

        if (value.TryGetInt64(out var number) && number >= min && number <= max)
        {
            return number;
        }

        Fault(name, $"A whole number from {min} to {max}.");
        return null;
    }

    /// <summary>True or false; null when absent, null or faulty.</summary>
    public bool? Flag(string name)
    {
        if (!TryGet(name, out var value) || value.ValueKind is JsonValueKind.Null)
        {
            return null;
        }

        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            return value.GetBoolean();
        }

        Fault(name, "Must be true or false.");
        return null;
    }

    /// <summary>A UUID; null when absent, null or faulty.</summary>
    public Guid? Id(string name)
    {
        if (!Get(name, JsonValueKind.String, "a UUID", out var value))
        {
            return null;
        }

        if (Guid.TryParseExact(value.GetString(), "D", out var id))
        {
            return id;
        }

        Fault(name, "Must be a UUID.");
        return null;
    }

    /// <summary>A time in RFC 3339 form; null when absent, null or faulty.</summary>
    public DateTimeOffset? Time(string name)
    {
        if (!Get(name, JsonValueKind.String, "a time", out var value))
        {
            return null;
        }

        if (Timestamps.TryParse(value.GetString(), out var time))
        {
            return time;
        }

        Fault(name, "Must be a time in RFC 3339 form, such as 2026-01-31T12:00:00Z.");
        return null;
    }

    /// <summary>An object, valid until <see cref="Dispose"/>; null when absent, null or faulty.</summary>
    public JsonElement? Object(string name) =>
        Get(name, JsonValueKind.Object, "an object", out var value) ? value : null;

    /// <summary>Members that exist and cannot be set.</summary>
    public void ReadOnly(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (Has(name))
            {
                Fault(name, "This field is read-only.");
            }
        }
    }

    /// <summary>Adds a fault that the handler found.</summary>
    public void Fault(string name, string fault) => _faults.Add(name, fault);

    /// <summary>Null when the body has no fault: every member was asked for and well-formed.</summary>
    public Error? Finish()
    {
        foreach (var member in Root.EnumerateObject())
        {
            if (!_asked.Contains(member.Name))
            {
                Fault(member.Name, "There is no such field here.");
            }
        }

        return _faults.ToError();
    }

    public void Dispose()
    {
        _document.Dispose();
        _body?.Dispose();
    }

    // Where no body is needed, one that is not there needs no media type either.
    private static bool IsEmpty(HttpRequest request) =>
        request is { ContentLength: 0 } or { ContentLength: null, ContentType: null }
        || request.HttpContext.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false };

    private static Error? RefuseType(HttpRequest request, BodyForm form)
    {
        var expected = TypeOf(form);
        var isGood =
            MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
            && string.Equals(type.MediaType, expected, StringComparison.OrdinalIgnoreCase)
            && (type.CharSet is null || type.CharSet.Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            && request.Headers.ContentEncoding is [] or ["identity"];
        if (isGood)
        {
            return null;
        }

        if (form is BodyForm.MergePatch)
        {
            request.HttpContext.Response.Headers["Accept-Patch"] = MergePatchType;
        }

        return new Error(
            ErrorKind.UnsupportedMediaType,
            form is BodyForm.MergePatch ? "unsupported-patch" : "unsupported-media-type",
            $"Send the body as {expected} in UTF-8, uncompressed. Nothing was changed."
        );
    }

    private static Result<JsonBody> Parse(RequestBody body)
    {
        JsonDocument document;
        try
        {
            if (JsonText.FindFault(body.Bytes.Span) is { } fault)
            {
                return Error.Invalid(fault.Field, fault.Fault);
            }

            document = JsonDocument.Parse(body.Bytes, Options);
        }
        catch (JsonException e)
        {
            var where = e.LineNumber is { } line ? $" (line {line + 1}, byte {e.BytePositionInLine + 1})" : "";
            return Error.Invalid(
                "$",
                $"The body is not JSON with each name once and at most {Json.MaxDepth} levels{where}."
            );
        }

        if (document.RootElement.ValueKind is JsonValueKind.Object)
        {
            return new JsonBody(body, document);
        }

        document.Dispose();
        return Error.Invalid("$", "The body must be a JSON object.");
    }

    private bool TryGet(string name, out JsonElement value)
    {
        _asked.Add(name);
        return Root.TryGetProperty(name, out value);
    }

    private bool Get(string name, JsonValueKind kind, string what, out JsonElement value)
    {
        if (!TryGet(name, out value) || value.ValueKind is JsonValueKind.Null)
        {
            return false;
        }

        if (value.ValueKind == kind)
        {
            return true;
        }

        Fault(name, $"Must be {what}.");
        return false;
    }

    private string? Measured(string name, string text, int min, int max)
    {
        // A character beyond U+FFFF is two UTF-16 units and one character, as PostgreSQL counts.
        var length = text.Length <= max && text.Length >= min * 2 ? text.Length : text.EnumerateRunes().Count();
        if (length >= min && length <= max)
        {
            return text;
        }

        Fault(name, length < min ? $"At least {min} character(s)." : $"At most {max} characters; these are {length}.");
        return null;
    }
}
