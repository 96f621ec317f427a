using System.Globalization;

namespace TenantDocs.Api.Http;

/// <summary>A page of a list.</summary>
internal sealed record Page<T>(IReadOnlyList<T> Items, string? Next);

/// <summary>Lists of the admin API, ordered by time and id: reads the cursor and writes the next one.</summary>
internal sealed class Pages(Cursors cursors, string list, RequestQuery query)
{
    private readonly CursorScope _scope = new(null, list, query.Signature);

    /// <summary>The position after which the page begins; null for the first page.</summary>
    public async Task<Result<(DateTimeOffset At, Guid Id)?>> ReadAsync(CancellationToken cancellationToken)
    {
        if (query.Cursor is not { } cursor)
        {
            return ((DateTimeOffset, Guid)?)null;
        }

        var keys = await cursors.ReadAsync(_scope, cursor, cancellationToken);
        return keys.Error is { } error
            ? error
            : (
                new DateTimeOffset(long.Parse(keys.Value[0], CultureInfo.InvariantCulture), TimeSpan.Zero),
                Guid.Parse(keys.Value[1])
            );
    }

    /// <summary>The page of what was found, of which one more than <paramref name="limit"/> was asked for.</summary>
    public async Task<IResult> AnswerAsync<T, TAnswer>(
        IReadOnlyList<T> found,
        int limit,
        Func<T, (DateTimeOffset At, Guid Id)> position,
        Func<T, TAnswer> answer,
        CancellationToken cancellationToken
    )
    {
        string? next = null;
        if (found.Count > limit)
        {
            var (at, id) = position(found[limit - 1]);
            string[] keys = [at.UtcTicks.ToString(CultureInfo.InvariantCulture), id.ToString()];
            next = await cursors.WriteAsync(_scope, keys, cancellationToken);
        }

        return Json.Result(new Page<TAnswer>([.. found.Take(limit).Select(answer)], next));
    }
}
