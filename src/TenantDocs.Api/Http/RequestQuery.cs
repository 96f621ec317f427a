using System.Globalization;
using System.Text;
using TenantDocs.Catalog;

namespace TenantDocs.Api.Http;

/// <summary>
/// A request's query parameters. Which an operation has is said by <see cref="QueryParameters"/> beside its endpoint, and
/// admission refuses the rest; faults of values are gathered and asked for at the end with <see cref="Finish"/>.
/// </summary>
internal sealed class RequestQuery
{
    public const int DefaultLimit = 50;
    public const int MaxLimit = 200;

    private readonly IQueryCollection _query;
    private Faults _faults;

    private RequestQuery(IQueryCollection query) => _query = query;

    /// <summary>The query of a request that was admitted: without unknown, repeated and unreadable parameters.</summary>
    public static RequestQuery Of(HttpRequest request) =>
        new(request.QueryString.HasValue ? request.Query : QueryCollection.Empty);

    /// <summary>Null when an operation that has these parameters and no others can read the query.</summary>
    public static Error? Refuse(HttpRequest request, IReadOnlyList<QueryParameter> known)
    {
        if (!request.QueryString.HasValue)
        {
            return null;
        }

        var faults = default(Faults);
        foreach (var (name, values) in request.Query)
        {
            if (!known.Any(k => k.Name == name))
            {
                return Unknown(name);
            }

            if (values.Count > 1)
            {
                faults.Add(name, "Give this parameter once.");
            }
            else if (values[0] is { } text && (text.Contains('\0') || text.Contains('\uFFFD')))
            {
                faults.Add(name, "The value is not text in UTF-8 without NUL.");
            }
        }

        return faults.ToError();
    }

    /// <summary>How many items a page has: 1–200, default 50.</summary>
    public int Limit => (int)(Number("limit", 1, MaxLimit) ?? DefaultLimit);

    /// <summary>The cursor; null for the first page.</summary>
    public string? Cursor => Text("cursor");

    /// <summary>
    /// Filter and sort in one normal form, to bind a cursor to them: all parameters but limit and cursor, and include, which
    /// says only how much of an item is shown.
    /// </summary>
    public string Signature
    {
        get
        {
            if (_query.Count == 0)
            {
                return "";
            }

            var text = new StringBuilder();
            foreach (var (name, values) in _query.OrderBy(p => p.Key, StringComparer.Ordinal))
            {
                if (name is not ("limit" or "cursor" or "include"))
                {
                    text.Append(CultureInfo.InvariantCulture, $"{name.Length}:{name}={values[0]?.Length}:{values[0]};");
                }
            }

            return text.ToString();
        }
    }

    /// <summary>True when the parameter is there.</summary>
    public bool Has(string name) => _query.ContainsKey(name);

    /// <summary>A text; null when absent.</summary>
    public string? Text(string name) => _query.TryGetValue(name, out var values) ? values[0] ?? "" : null;

    /// <summary>A text that must be there and not empty; the empty text when it is faulty.</summary>
    public string RequiredText(string name, int max = int.MaxValue)
    {
        var text = Text(name) ?? "";
        if (text.Length == 0)
        {
            Fault(name, "This parameter is required.");
        }
        else if (text.Length > max)
        {
            Fault(name, $"At most {max} characters.");
        }

        return text;
    }

    /// <summary>A whole number; null when absent or faulty.</summary>
    public long? Number(string name, long min, long max)
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        if (
            long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            && number >= min
            && number <= max
        )
        {
            return number;
        }

        Fault(name, $"A whole number from {min} to {max}.");
        return null;
    }

    /// <summary><c>true</c> or <c>false</c>; null when absent or faulty.</summary>
    public bool? Flag(string name)
    {
        switch (Text(name))
        {
            case null:
                return null;
            case "true":
                return true;
            case "false":
                return false;
            default:
                Fault(name, "Must be true or false.");
                return null;
        }
    }

    /// <summary>A UUID; null when absent or faulty.</summary>
    public Guid? Id(string name)
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        if (Guid.TryParseExact(text, "D", out var id))
        {
            return id;
        }

        Fault(name, "Must be a UUID.");
        return null;
    }

    /// <summary>A time in RFC 3339 form; null when absent or faulty.</summary>
    public DateTimeOffset? Time(string name)
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        // A plus sign that was not escaped arrives as a space; the offset is meant.
        if (Timestamps.TryParse(text.Replace(' ', '+'), out var time))
        {
            return time;
        }

        Fault(name, "Must be a time in RFC 3339 form, such as 2026-01-31T12:00:00Z.");
        return null;
    }

    /// <summary>One of an enumeration's camelCase names; null when absent or faulty.</summary>
    public TEnum? Choice<TEnum>(string name)
        where TEnum : struct, Enum
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        if (CatalogText.TryParse<TEnum>(text, out var choice))
        {
            return choice;
        }

        Fault(name, $"One of: {string.Join(", ", Enum.GetValues<TEnum>().Select(v => v.ToText()))}.");
        return null;
    }

    /// <summary>One of the given texts, the first by default; the default when faulty.</summary>
    public string OneOf(string name, params ReadOnlySpan<string> choices)
    {
        var text = Text(name) ?? choices[0];
        if (choices.Contains(text))
        {
            return text;
        }

        Fault(name, $"One of: {string.Join(", ", choices!)}.");
        return choices[0];
    }

    /// <summary>Adds a fault that the handler found.</summary>
    public void Fault(string name, string fault) => _faults.Add(name, fault);

    /// <summary>Null when every parameter that was asked for is well-formed.</summary>
    public Error? Finish() => _faults.ToError();

    private static Error Unknown(string name) =>
        new(ErrorKind.Invalid, "unknown-parameter", "The address has a query parameter that this operation does not.")
        {
            Extensions = new Dictionary<string, object?> { ["parameter"] = name },
        };
}
