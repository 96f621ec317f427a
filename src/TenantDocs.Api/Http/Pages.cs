using System.Globalization;

namespace TenantDocs.Api.Http;

/// <summary>A page of a list.</summary>
internal sealed record Page<T>(IReadOnlyList<T> Items, string? Next);

/// <summary>Lists of the admin API: reads the cursor and writes the next one.</summary>
internal sealed class Pages(Cursors cursors, string list, RequestQuery query)
{
    private readonly CursorScope _scope = new(null, list, query.Signature);

    /// <summary>The position after which the page begins, as it was written; null for the first page.</summary>
    public async Task<Result<string[]?>> ReadKeysAsync(CancellationToken cancellationToken)
    {
        if (query.Cursor is not { } cursor)
        {
            return (string[]?)null;
        }

        var keys = await cursors.ReadAsync(_scope, cursor, cancellationToken);
        return keys.Error is { } error ? error : keys.Value.ToArray();
    }

    /// <summary>The same for a list in order of time and id.</summary>
    public async Task<Result<(DateTimeOffset At, Guid Id)?>> ReadAsync(CancellationToken cancellationToken)
    {
        var keys = await ReadKeysAsync(cancellationToken);
        return keys.Error is { } error ? error
            : keys.Value is not [var ticks, var id] ? ((DateTimeOffset, Guid)?)null
            : (new DateTimeOffset(long.Parse(ticks, CultureInfo.InvariantCulture), TimeSpan.Zero), Guid.Parse(id));
    }

    /// <summary>The position of an item in a list in order of time and id.</summary>
    public static string[] KeysOf(DateTimeOffset at, Guid id) =>
        [at.UtcTicks.ToString(CultureInfo.InvariantCulture), id.ToString()];

    /// <summary>The page of what was found, of which one more than <paramref name="limit"/> was asked for.</summary>
    public async Task<IResult> AnswerAsync<T, TAnswer>(
        IReadOnlyList<T> found,
        int limit,
        Func<T, string[]> keys,
        Func<T, TAnswer> answer,
        CancellationToken cancellationToken
    )
    {
        var next =
            found.Count > limit ? await cursors.WriteAsync(_scope, keys(found[limit - 1]), cancellationToken) : null;
        return Json.Result(new Page<TAnswer>([.. found.Take(limit).Select(answer)], next));
    }
}
