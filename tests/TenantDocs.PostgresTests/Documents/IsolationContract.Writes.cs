using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Documents;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Documents;

public abstract partial class IsolationContract
{
    [Fact]
    public async Task The_feed_of_parallel_writers_has_no_gap_and_the_counts_are_the_truth()
    {
        var tenant = await NewTenantAsync();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(WriterAsync));

        var feed = new List<DocumentFeedItem>();
        DocumentFeed piece;
        do
        {
            piece = (await Documents.ReadFeedAsync(tenant, feed.Count, 37, None)).Value;
            feed.AddRange(piece.Items);
        } while (!piece.CaughtUp);

        Assert.Equal(Enumerable.Range(1, 8 * 26).Select(i => (long)i), feed.Select(i => i.Seq));
        Assert.Equal(await RecountAsync(tenant), await Documents.ReadUsageAsync(tenant, None));
        Assert.NotNull((await Documents.ReadFeedAsync(tenant, feed.Count + 1, 10, None)).Error);

        async Task WriterAsync(int writer)
        {
            for (var i = 0; i < 10; i++)
            {
                var content = Content($"W{writer} {i}", new string('x', i)) with { Tags = [$"w{writer}"] };
                var document = await CreateAsync(tenant, content);
                await PatchAsync(tenant, document.Id, $$"""{"body":"{{new string('y', (3 * i) + 1)}}"}""", Write(1));
                if (i % 2 == 0)
                {
                    await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Delete(), Write(2), None);
                }

                if (i == 4)
                {
                    await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Purge(), Write(3), None);
                }
            }
        }
    }

    [Fact]
    public async Task Of_parallel_changes_from_one_version_one_wins()
    {
        var tenant = await NewTenantAsync();
        var document = await CreateAsync(tenant, Content("One", ""));

        var outcomes = await Task.WhenAll(
            Enumerable.Range(0, 8).Select(i => PatchAsync(tenant, document.Id, $$"""{"title":"T{{i}}"}""", Write(1)))
        );

        var winner = Assert.Single(outcomes, o => o.Error is null).Value.Document!;
        Assert.All(
            outcomes.Where(o => o.Error is not null),
            o => Assert.Equal(("precondition-failed", "\"2\""), (o.Error!.Code, o.Error.CurrentETag))
        );
        Assert.Equal(winner, await Documents.FindAsync(tenant, document.Id, false, None));
    }

    [Fact]
    public async Task Parallel_changes_of_whatever_version_all_win_one_after_the_other()
    {
        var tenant = await NewTenantAsync();
        var document = await CreateAsync(tenant, Content("One", ""));

        var outcomes = await Task.WhenAll(
            Enumerable
                .Range(0, 4)
                .Select(i => PatchAsync(tenant, document.Id, $"{{\"metadata\":{{\"k{i}\":1}}}}", Write(any: true)))
        );

        Assert.All(outcomes, o => Assert.Null(o.Error));
        var metadata = (await Documents.FindAsync(tenant, document.Id, false, None))!.Content.Metadata;
        Assert.All(Enumerable.Range(0, 4), i => Assert.Contains($"k{i}", metadata, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_repeated_request_gets_the_first_answer_and_changes_nothing()
    {
        var tenant = await NewTenantAsync();
        var first = await Documents.CreateAsync(tenant, null, Content("One", ""), Keyed("a"), None);
        var document = first.Value.Document!;
        var again = await Documents.CreateAsync(tenant, null, Content("One", ""), Keyed("a"), None);
        var other = await Documents.CreateAsync(tenant, null, Content("Two", ""), Keyed("a", hash: 2), None);

        var patch = Write(1) with { Idempotency = Keyed("b").Idempotency };
        var changed = await PatchAsync(tenant, document.Id, """{"title":"Two"}""", patch);
        var repeated = await PatchAsync(tenant, document.Id, """{"title":"Two"}""", patch);
        var withoutVersion = await PatchAsync(tenant, document.Id, """{"title":"Two"}""", Keyed("b"));

        Assert.Equal(new StoredAnswer(200, "\"1\"", "/one", "One"), again.Value.Replay);
        Assert.Equal("idempotency-key-reused", other.Error?.Code);
        Assert.Equal(2, changed.Value.Document!.Version);
        Assert.Equal(new StoredAnswer(200, "\"2\"", "/one", "Two"), repeated.Value.Replay);
        Assert.Equal(repeated, withoutVersion);
        Assert.Equal(2, (await Documents.ReadUsageAsync(tenant, None)).Seq);
    }

    [Fact]
    public async Task Parallel_requests_with_one_key_are_done_once()
    {
        var tenant = await NewTenantAsync();

        var outcomes = await Task.WhenAll(
            Enumerable
                .Range(0, 8)
                .Select(_ => Documents.CreateAsync(tenant, null, Content("One", ""), Keyed("a"), None))
        );

        Assert.Single(outcomes, o => o.Error is null && o.Value.Document is not null);
        Assert.All(
            outcomes.Where(o => o.Error is not null),
            o => Assert.Equal("idempotency-in-progress", o.Error!.Code)
        );
        Assert.Equal((1, 1), (await SeqAsync(), (await ListAsync(tenant, new() { Limit = 10 })).Count));

        async Task<long> SeqAsync() => (await Documents.ReadUsageAsync(tenant, None)).Seq;
    }

    [Fact]
    public async Task A_key_in_flight_is_said_to_be()
    {
        var tenant = await NewTenantAsync();
        await using var connection = await Platform.OpenAsync(tenant, SessionRole.Admin);
        await using var transaction = await connection.BeginTransactionAsync(None);
        await using var hold = new NpgsqlCommand(
            "SELECT pg_advisory_xact_lock(hashtext($1), hashtext('a'))",
            connection,
            transaction
        );
        hold.Parameters.AddWithValue(tenant.Id.ToString());
        await hold.ExecuteNonQueryAsync(None);

        var held = await Documents.CreateAsync(tenant, null, Content("One", ""), Keyed("a"), None);
        await transaction.RollbackAsync(None);
        var free = await Documents.CreateAsync(tenant, null, Content("One", ""), Keyed("a"), None);

        Assert.Equal("idempotency-in-progress", held.Error?.Code);
        Assert.Null(free.Error);
    }

    [Fact]
    public async Task A_quota_is_exact_under_parallel_writers_and_never_stops_who_makes_room()
    {
        var tenant = await NewTenantAsync();
        var limited = Write() with { Limits = new DocumentLimits(5, 1000, null) };

        var outcomes = await Task.WhenAll(
            Enumerable.Range(0, 8).Select(i => Documents.CreateAsync(tenant, null, Content($"{i}", ""), limited, None))
        );

        Assert.Equal(5, outcomes.Count(o => o.Error is null));
        var refusal = outcomes.First(o => o.Error is not null).Error!;
        Assert.Equal("quota-exceeded", refusal.Code);
        Assert.Equal(
            (5L, 5L, "documents"),
            (refusal.Extensions!["limit"], refusal.Extensions["used"], refusal.Extensions["unit"])
        );

        var id = outcomes.First(o => o.Error is null).Value.Document!.Id;
        var seen = limited with { Precondition = new(true, []) };
        var large = await PatchAsync(tenant, id, $$"""{"body":"{{new string('x', 1000)}}"}""", seen);
        Assert.Equal(
            ("quota-exceeded", 5L, "bytes"),
            (large.Error?.Code, large.Error?.Extensions!["used"], large.Error?.Extensions!["unit"])
        );
        await Documents.ChangeAsync(tenant, id, new DocumentChange.Delete(), seen, None);
        Assert.NotNull((await Documents.CreateAsync(tenant, null, Content("6", ""), limited, None)).Error);
        await Documents.ChangeAsync(tenant, id, new DocumentChange.Purge(), seen, None);
        Assert.Null((await Documents.CreateAsync(tenant, null, Content("6", ""), limited, None)).Error);
        Assert.Equal(await RecountAsync(tenant), await Documents.ReadUsageAsync(tenant, None));
    }

    [Fact]
    public async Task The_sweep_removes_what_stayed_in_the_trash_too_long()
    {
        var tenant = await NewTenantAsync();
        var kept = await CreateAsync(tenant, Content("Kept", ""));
        for (var i = 0; i < 3; i++)
        {
            var document = await CreateAsync(tenant, Content($"{i}", "text"));
            await Documents.ChangeAsync(tenant, document.Id, new DocumentChange.Delete(), Write(1), None);
        }

        var now = TimeProvider.System.GetUtcNow();
        Assert.Equal(0, await Documents.SweepAsync(tenant, now.AddHours(-1), 2, None));
        Assert.Equal(2, await Documents.SweepAsync(tenant, now.AddHours(1), 2, None));
        Assert.Equal(1, await Documents.SweepAsync(tenant, now.AddHours(1), 2, None));
        Assert.Equal([kept.Id], (await ListAsync(tenant, new() { Limit = 10 })).Select(d => d.Id));
        Assert.Equal(await RecountAsync(tenant), await Documents.ReadUsageAsync(tenant, None));
    }

    private static DocumentWrite Keyed(string key, byte hash = 1) =>
        Write() with
        {
            Idempotency = new(key, [hash], d => new StoredAnswer(200, d.ETag, "/one", d.Content.Title)),
        };

    /// <summary>The counters, counted again from the rows by somebody whom no policy binds.</summary>
    private async Task<DocumentUsage> RecountAsync(Tenant tenant)
    {
        await using var connection = await Platform.OpenAsync(tenant, SessionRole.Admin);
        var schema = tenant.Placement.Schema.Quoted;
        await using var count = new NpgsqlCommand(
            $"""
            SELECT count(*) FILTER (WHERE deleted_at IS NULL), count(*) FILTER (WHERE deleted_at IS NOT NULL),
                   (SELECT count(*) FROM {schema}.document_versions WHERE tenant_id = $1),
                   coalesce(sum(octet_length(title) + octet_length(body)), 0)::bigint,
                   (SELECT count(*) FROM {schema}.document_changes WHERE tenant_id = $1)
              FROM {schema}.documents WHERE tenant_id = $1
            """,
            connection
        );
        count.Parameters.AddWithValue(tenant.Id.Value);
        await using var reader = await count.ExecuteReaderAsync();
        await reader.ReadAsync();
        return new DocumentUsage(
            reader.GetInt64(0),
            reader.GetInt64(1),
            reader.GetInt64(2),
            reader.GetInt64(3),
            reader.GetInt64(4)
        );
    }
}
