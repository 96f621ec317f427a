namespace TenantDocs;

/// <summary>The kinds of expected answers that are not a success. The host maps each to one HTTP status.</summary>
public enum ErrorKind
{
    /// <summary>The request is malformed (400).</summary>
    Invalid,

    /// <summary>A plan's quota is used up (402).</summary>
    QuotaExceeded,

    /// <summary>The caller may not do this (403).</summary>
    Forbidden,

    /// <summary>Nothing there that the caller may see (404).</summary>
    NotFound,

    /// <summary>The state of the thing does not allow it (409).</summary>
    Conflict,

    /// <summary>It was there and is too old now (410).</summary>
    Gone,

    /// <summary>The thing changed since the caller saw it (412).</summary>
    PreconditionFailed,

    /// <summary>Larger than allowed (413).</summary>
    TooLarge,

    /// <summary>A media type that is not understood (415).</summary>
    UnsupportedMediaType,

    /// <summary>Understood, and contradicts an earlier request (422).</summary>
    Unprocessable,

    /// <summary>The caller must say which state it saw (428).</summary>
    PreconditionRequired,

    /// <summary>Too many requests (429).</summary>
    RateLimited,

    /// <summary>Not now; try again (503).</summary>
    Unavailable,
}

/// <summary>An expected answer that is not a success.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Code">Stable, kebab-case: a contract with clients.</param>
/// <param name="Detail">For people: what happened, what was kept, what to do next. Never SQL, names of database objects or other tenants' data.</param>
public sealed record Error(ErrorKind Kind, string Code, string Detail)
{
    /// <summary>Further members of the problem document (limit, used, unit, purgeAt, …).</summary>
    public IReadOnlyDictionary<string, object?>? Extensions { get; init; }

    /// <summary>Faults by field, for <c>validation-failed</c>.</summary>
    public IReadOnlyDictionary<string, string[]>? Errors { get; init; }

    /// <summary>The thing's current entity tag, for <see cref="ErrorKind.PreconditionFailed"/>.</summary>
    public string? CurrentETag { get; init; }

    /// <summary>When to try again.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>There is no such thing that the caller may see.</summary>
    public static Error NotFound { get; } =
        new(ErrorKind.NotFound, "not-found", "There is nothing here under this address.");

    /// <summary>One faulty field.</summary>
    public static Error Invalid(string field, string fault) =>
        new(ErrorKind.Invalid, "validation-failed", "The request has faults; nothing was changed.")
        {
            Errors = new Dictionary<string, string[]> { [field] = [fault] },
        };
}

/// <summary>A value, or the error that stands in its place.</summary>
public readonly struct Result<T>
{
    private readonly T? _value;

    private Result(T? value, Error? error)
    {
        _value = value;
        Error = error;
    }

    /// <summary>The error; null on success.</summary>
    public Error? Error { get; }

    /// <summary>The value.</summary>
    /// <exception cref="InvalidOperationException">There is an error instead.</exception>
    public T Value =>
        Error is null ? _value! : throw new InvalidOperationException($"There is no value: {Error.Code}.");

    /// <summary>One of the two functions' answer.</summary>
    public TOut Match<TOut>(Func<T, TOut> success, Func<Error, TOut> failure) =>
        Error is null ? success(_value!) : failure(Error);

    /// <summary>Goes on with the value; an error stays.</summary>
    public Result<TOut> Then<TOut>(Func<T, Result<TOut>> next) => Error is { } error ? error : next(_value!);

    /// <summary>A success.</summary>
    public static implicit operator Result<T>(T value) => new(value, null);

    /// <summary>A failure.</summary>
    public static implicit operator Result<T>(Error error) => new(default, error);
}
