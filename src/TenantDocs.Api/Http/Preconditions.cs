using System.Globalization;
using Microsoft.Extensions.Primitives;

namespace TenantDocs.Api.Http;

/// <summary>The states that a request names in <c>If-Match</c> or <c>If-None-Match</c> (RFC 9110, 13.1).</summary>
/// <param name="IsGiven">The header is there.</param>
/// <param name="IsAny">It says <c>*</c>.</param>
/// <param name="Versions">Versions that can match.</param>
internal readonly record struct EntityTags(bool IsGiven, bool IsAny, IReadOnlyList<long> Versions)
{
    /// <summary>True when the present version is among those named.</summary>
    public bool Match(long version) => IsAny || (Versions is not null && Versions.Contains(version));

    /// <summary>The one version that the header names; null for several, for none that can exist, and for <c>*</c>.</summary>
    public long? Single => !IsAny && Versions is [var version] ? version : null;
}

/// <summary>Optimistic concurrency over HTTP: an entity tag is a version number in quotes.</summary>
internal static class Preconditions
{
    private static readonly EntityTags Absent = new(false, false, []);

    /// <summary>The entity tag of a version.</summary>
    public static string ETag(long version) => string.Create(CultureInfo.InvariantCulture, $"\"{version}\"");

    /// <summary>Reads <c>If-Match</c>; a change without it is refused (428).</summary>
    public static Result<EntityTags> RequireIfMatch(HttpRequest request)
    {
        var header = request.Headers.IfMatch;
        if (StringValues.IsNullOrEmpty(header))
        {
            return new Error(
                ErrorKind.PreconditionRequired,
                "precondition-required",
                "Send the ETag of your last read as If-Match. Nothing was changed."
            );
        }

        // Strong comparison: a weak tag never matches.
        return Parse(header, weakMatches: false) is { } tags ? tags : Error.Invalid("If-Match", Malformed);
    }

    /// <summary>Reads <c>If-Match</c> where it may be absent.</summary>
    public static Result<EntityTags> IfMatch(HttpRequest request) =>
        Read(request.Headers.IfMatch, "If-Match", weakMatches: false);

    /// <summary>Reads <c>If-None-Match</c>.</summary>
    public static Result<EntityTags> IfNoneMatch(HttpRequest request) =>
        Read(request.Headers.IfNoneMatch, "If-None-Match", weakMatches: true);

    /// <summary>True when the client already has this version: answer 304 then. A header that cannot be read is ignored.</summary>
    public static bool IsNotModified(HttpRequest request, long version) =>
        !StringValues.IsNullOrEmpty(request.Headers.IfNoneMatch)
        && Parse(request.Headers.IfNoneMatch, weakMatches: true) is { } tags
        && tags.Match(version);

    /// <summary>The refusal of a change that is based on another version.</summary>
    public static Error Failed(long currentVersion) =>
        new(
            ErrorKind.PreconditionFailed,
            "precondition-failed",
            "It has changed since you read it; nothing was changed now. ETag is its present state."
        )
        {
            CurrentETag = ETag(currentVersion),
        };

    /// <summary>304 with the entity tag.</summary>
    public static IResult NotModified(long version) => new NotModifiedResult(ETag(version));

    private const string Malformed = "Not a list of entity tags.";

    private static Result<EntityTags> Read(StringValues header, string name, bool weakMatches) =>
        StringValues.IsNullOrEmpty(header) ? Absent
        : Parse(header, weakMatches) is { } tags ? tags
        : Error.Invalid(name, Malformed);

    /// <summary>Null when the text is not <c>*</c> or a list of entity tags.</summary>
    internal static EntityTags? Parse(StringValues header, bool weakMatches)
    {
        if (header is [{ Length: > 2 } only] && TryParseOurs(only, out var single))
        {
            return new EntityTags(true, false, [single]);
        }

        if (header is [var star] && star.AsSpan().Trim() is "*")
        {
            return new EntityTags(true, true, []);
        }

        var versions = new List<long>();
        var count = 0;
        foreach (var line in header)
        {
            var rest = line.AsSpan().Trim();
            while (!rest.IsEmpty)
            {
                if (!TakeTag(ref rest, weakMatches, versions))
                {
                    return null;
                }

                count++;
            }
        }

        return count > 0 ? new EntityTags(true, false, versions) : null;
    }

    private static bool TakeTag(ref ReadOnlySpan<char> rest, bool weakMatches, List<long> versions)
    {
        var isWeak = rest.StartsWith("W/", StringComparison.Ordinal);
        rest = isWeak ? rest[2..] : rest;
        var end = rest.StartsWith("\"", StringComparison.Ordinal) ? rest[1..].IndexOf('"') : -1;
        if (end < 0)
        {
            return false;
        }

        if ((weakMatches || !isWeak) && TryParseOurs(rest[..(end + 2)], out var version))
        {
            versions.Add(version);
        }

        rest = rest[(end + 2)..].TrimStart();
        if (rest.IsEmpty)
        {
            return true;
        }

        if (rest[0] != ',')
        {
            return false;
        }

        rest = rest[1..].TrimStart();
        return true;
    }

    // Only the form that we write: "01" or "+1" name no state of ours.
    private static bool TryParseOurs(ReadOnlySpan<char> tag, out long version)
    {
        version = 0;
        return tag is ['"', >= '1' and <= '9', .., '"']
            && long.TryParse(tag[1..^1], NumberStyles.None, CultureInfo.InvariantCulture, out version);
    }

    private sealed class NotModifiedResult(string etag) : IResult, IStatusCodeHttpResult
    {
        public int? StatusCode => StatusCodes.Status304NotModified;

        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.StatusCode = StatusCodes.Status304NotModified;
            httpContext.Response.Headers.ETag = etag;
            return Task.CompletedTask;
        }
    }
}
