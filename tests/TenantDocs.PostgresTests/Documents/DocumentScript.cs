using System.Globalization;
using System.Text;
using System.Text.Json;
using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.PostgresTests.Documents;

/// <summary>
/// A script of random operations, the same for the same seed: few ids, words and tags, so that operations meet. Run against
/// a repository it gives a transcript of every answer.
/// </summary>
internal sealed class DocumentScript(int seed)
{
    private static readonly string[] Words = ["alpha", "bravo", "kilo", "lima", "zulu"];
    private static readonly string[] Tags = ["red", "green", "blue", "Ölfarbe", "🎨"];

    private readonly Random _random = new(seed);
    private readonly Guid[] _ids =
    [
        .. Enumerable.Range(1, 8).Select(i => new Guid(seed, (short)i, 7, [.. "abcdefgh"u8])),
    ];
    private readonly Guid[] _collections = [new(1, 2, 3, [.. "abcdefgh"u8]), new(4, 5, 6, [.. "abcdefgh"u8])];
    private readonly StringBuilder _transcript = new();
    private readonly List<DateTimeOffset> _moments = [];
    private IDocumentRepository _documents = null!;
    private Tenant _tenant = null!;
    private ManualTime _time = null!;

    public async Task<string> RunAsync(IDocumentRepository documents, Tenant tenant, ManualTime time, int operations)
    {
        (_documents, _tenant, _time) = (documents, tenant, time);
        for (var i = 0; i < operations; i++)
        {
            // Sometimes the clock stands still: versions must be told apart all the same.
            time.Pass(TimeSpan.FromMicroseconds(_random.Next(3) == 0 ? 0 : _random.Next(1, 5_000_000)));
            _transcript.Append(CultureInfo.InvariantCulture, $"{i} ");
            _transcript.AppendLine(await StepAsync());
            _moments.Add(time.GetUtcNow());
        }

        _transcript.AppendLine(await LookAsync());
        return _transcript.ToString();
    }

    private async Task<string> StepAsync()
    {
        var id = Pick(_ids);
        switch (_random.Next(14))
        {
            case 0 or 1 or 2:
                return $"create {Show(await _documents.CreateAsync(_tenant, id, Content(), Write(), default))}";
            case 3:
                return await ChangeAsync(id, new DocumentChange.Replace(Fields(whole: true)));
            case 4 or 5 or 6:
                return await ChangeAsync(id, new DocumentChange.Patch(Fields(whole: false)));
            case 7:
                return await ChangeAsync(id, new DocumentChange.Delete());
            case 8:
                return await ChangeAsync(id, new DocumentChange.Restore());
            case 9:
                return await ChangeAsync(id, new DocumentChange.Purge());
            case 10:
                return await ChangeAsync(id, new DocumentChange.RestoreVersion(_random.Next(1, 5)));
            case 11 when _random.Next(4) == 0:
                _time.Pass(TimeSpan.FromHours(_random.Next(30)));
                var before = _time.GetUtcNow() - TimeSpan.FromHours(20);
                return $"sweep {await _documents.SweepAsync(_tenant, before, 2, default)}";
            default:
                return await LookAsync();
        }
    }

    private async Task<string> ChangeAsync(Guid id, DocumentChange change)
    {
        var current = await _documents.FindAsync(_tenant, id, trashed: true, default);
        var seen = _random.Next(5) == 0 ? _random.Next(1, 6) : current?.Version ?? 1;
        var write = Write() with
        {
            Precondition = _random.Next(12) == 0 ? null : new DocumentPrecondition(_random.Next(10) == 0, [seen]),
        };
        var outcome = await _documents.ChangeAsync(_tenant, id, change, write, default);
        return $"{change.GetType().Name} {id} {Show(outcome)}";
    }

    private async Task<string> LookAsync()
    {
        var id = Pick(_ids);
        var trashed = _random.Next(2) == 0;
        var text = new StringBuilder("look");
        var found = await _documents.FindAsync(_tenant, id, trashed, default);
        text.Append(CultureInfo.InvariantCulture, $" find={Show(found)}");
        if (_moments.Count > 0)
        {
            var then = await _documents.FindAsOfAsync(_tenant, id, Pick(_moments), trashed, default);
            text.Append(CultureInfo.InvariantCulture, $" then={Show(then)}");
        }

        var versions = await _documents.ListVersionsAsync(_tenant, id, _random.Next(1, 4), null, trashed, default);
        text.Append(
            CultureInfo.InvariantCulture,
            $" versions={string.Join(',', versions?.Items ?? [])} {versions?.Next}"
        );
        var two = await _documents.FindVersionsAsync(_tenant, id, 1, _random.Next(1, 4), trashed, default);
        text.Append(CultureInfo.InvariantCulture, $" two={string.Join(',', two.Select(Show))}");
        text.Append(CultureInfo.InvariantCulture, $" list={await ListAsync()}");
        var hits = await _documents.SearchAsync(_tenant, new(Pick(Words), 100, null, null, null), default);
        text.Append(CultureInfo.InvariantCulture, $" hits={string.Join(',', hits.Items.Select(h => h.Id).Order())}");
        var tags = await _documents.ListTagsAsync(_tenant, 3, null, default);
        text.Append(CultureInfo.InvariantCulture, $" tags={string.Join(',', tags.Items)} {tags.Next}");
        var feed = await _documents.ReadFeedAsync(_tenant, _random.Next(20), _random.Next(1, 20), default);
        text.Append(
            CultureInfo.InvariantCulture,
            $" feed={feed.Match(f => $"{string.Join(',', f.Items)} {f.Next} {f.CaughtUp}", e => e.Code)}"
        );
        return text.Append(await _documents.ReadUsageAsync(_tenant, default)).ToString();
    }

    private async Task<string> ListAsync()
    {
        var query = new DocumentQuery
        {
            Limit = _random.Next(1, 4),
            Sort = Pick(Enum.GetValues<DocumentSort>()),
            Trashed = _random.Next(3) == 0,
            Tag = _random.Next(3) == 0 ? Pick(Tags) : null,
            Status = _random.Next(4) == 0 ? "draft" : null,
            CollectionId = _random.Next(4) == 0 ? Pick(_collections) : null,
            UpdatedSince = _moments.Count > 0 && _random.Next(4) == 0 ? Pick(_moments) : null,
            IncludeBody = _random.Next(2) == 0,
        };
        var text = new StringBuilder($"{query.Sort} ");
        while (true)
        {
            var page = await _documents.ListAsync(_tenant, query, default);
            text.AppendJoin(',', page.Items.Select(Show));
            if (page.Next is null)
            {
                return text.ToString();
            }

            text.Append('|');
            query = query with { After = page.Next };
        }
    }

    private DocumentWrite Write()
    {
        DocumentIdempotency? idempotency = null;
        if (_random.Next(4) == 0)
        {
            var hash = new byte[] { (byte)_random.Next(2) };
            idempotency = new($"key-{_random.Next(12)}", hash, d => new StoredAnswer(200, d.ETag, null, Show(d)));
        }

        var limits = _random.Next(4) == 0 ? new DocumentLimits(6, 400, null) : DocumentLimits.None;
        return new DocumentWrite
        {
            Actor = $"user:{Pick(Words)}",
            Idempotency = idempotency,
            Limits = limits,
        };
    }

    private DocumentContent Content() => Fields(whole: true).ToContent().Value;

    private DocumentFields Fields(bool whole)
    {
        var fields = new Dictionary<string, object?>();
        Maybe("title", () => $"{Pick(Words)} {Pick(Words)}", needed: whole);
        Maybe("body", () => string.Join(' ', Enumerable.Range(0, _random.Next(12)).Select(_ => Pick(Words))), whole);
        Maybe("tags", () => Enumerable.Range(0, _random.Next(4)).Select(_ => Pick(Tags)).ToArray(), false);
        Maybe("status", () => Pick(["draft", "published"]), false);
        Maybe("collectionId", () => _random.Next(3) == 0 ? null : Pick(_collections), false);
        Maybe("metadata", () => Metadata(2), false);
        return DocumentFields.Parse(JsonSerializer.SerializeToElement(fields)).Value;

        void Maybe(string name, Func<object?> value, bool needed)
        {
            if (needed || _random.Next(3) == 0)
            {
                fields[name] = value();
            }
        }
    }

    private Dictionary<string, object?> Metadata(int depth)
    {
        var members = new Dictionary<string, object?>();
        for (var i = _random.Next(3); i > 0; i--)
        {
            members[Pick(Words)] = _random.Next(5) switch
            {
                0 => null,
                1 => _random.Next(1000),
                2 => 1.50m,
                3 when depth > 0 => Metadata(depth - 1),
                _ => Pick(Tags),
            };
        }

        return members;
    }

    private T Pick<T>(IReadOnlyList<T> from) => from[_random.Next(from.Count)];

    private static string Show(Result<DocumentOutcome> outcome) =>
        outcome.Match(
            o => o.Replay is { } replay ? $"replay {replay}" : Show(o.Document),
            e => $"{e.Kind} {e.Code} {e.CurrentETag}"
        );

    private static string Show(Document? d) =>
        d is null
            ? "-"
            : $"[{d.Id} v{d.Version} {d.Content.Title}|{d.Content.Body}|{d.Content.ContentType}|{d.Content.Status}|"
                + $"{d.Content.CollectionId}|{string.Join('+', d.Content.Tags)}|{d.Content.Metadata}|{d.CreatedAt:O} "
                + $"{d.CreatedBy}|{d.UpdatedAt:O} {d.UpdatedBy}|{d.DeletedAt:O}]";
}
