using System.Net;
using System.Text.Json;
using TenantDocs.Catalog;
using TenantDocs.PostgresTests.Http;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>A move as staff makes it over HTTP: planned, begun, switched, given up, taken back, cleared away.</summary>
[Collection<OneMoveHost>]
public sealed class MoveHttpTests(MoveHost host)
{
    private static readonly string[] Phases =
    [
        "planned",
        "prepared",
        "copying",
        "catchingUp",
        "verifying",
        "ready",
        "fenced",
        "active",
    ];

    [Fact]
    public async Task A_dry_run_answers_a_plan_and_changes_nothing()
    {
        var slug = await host.NewHomeAsync();
        await host.WriteAsync(await host.EditorAsync(slug), "One");
        var before = await host.ReadAsync($"tenants/{slug}");

        var accepted = await host.BeginAsync(slug, new { isolation = "database", dryRun = true });
        var polled = await host.EndAsync(await MoveHost.AcceptedAsync(accepted));
        var awaited = await host.BeginAsync(
            slug,
            new
            {
                server = MoveHost.Second,
                dryRun = true,
                maxWritePauseMs = 700,
            },
            ("Prefer", "wait=60")
        );

        Assert.Equal("movePlan", polled.GetProperty("type").GetString());
        Assert.Equal("database", polled.GetProperty("result").GetProperty("to").GetProperty("isolation").GetString());
        Assert.Equal(HttpStatusCode.OK, awaited.StatusCode);
        var plan = (await awaited.JsonAsync()).GetProperty("result");
        Assert.Equal(slug, plan.GetProperty("tenant").GetString());
        Assert.Equal("""{"server":"local-1","isolation":"shared"}""", plan.GetProperty("from").GetRawText());
        Assert.Equal("""{"server":"local-2","isolation":"shared"}""", plan.GetProperty("to").GetRawText());
        Assert.Equal("online", plan.GetProperty("method").GetString());
        Assert.Equal(700, plan.GetProperty("maxWritePauseMs").GetInt32());
        Assert.True(plan.GetProperty("estimatedSeconds").GetDouble() > 0);
        Assert.Equal(1, Table(plan, "documents").GetProperty("rows").GetInt64());
        Assert.Equal(plan.GetProperty("rows").GetInt64(), Tables(plan).Sum(t => t.GetProperty("rows").GetInt64()));
        Assert.Empty(plan.GetProperty("blockers").EnumerateArray());
        Assert.Equal(before.GetRawText(), (await host.ReadAsync($"tenants/{slug}")).GetRawText());
        var moves = await host.ReadAsync($"operations?tenant={slug}&type=move");
        Assert.Empty(moves.GetProperty("items").EnumerateArray());
    }

    [Fact]
    public async Task A_move_is_polled_to_its_end_and_tells_what_it_did()
    {
        var slug = await host.NewHomeAsync();
        var key = await host.EditorAsync(slug);
        await host.WriteAsync(key, "One");
        await host.WriteAsync(key, "Two");

        var location = await host.BegunAsync(
            slug,
            new
            {
                isolation = "schema",
                server = MoveHost.Second,
                keepSourceFor = "PT10M",
            }
        );
        var seen = await host.PollAsync(location, "succeeded", "failed");

        var move = seen[^1];
        Assert.True(move.GetProperty("status").GetString() == "succeeded", move.GetRawText());
        Assert.Equal(("move", slug), (move.GetProperty("type").GetString(), move.GetProperty("tenant").GetString()));
        Assert.Equal(Phases, move.GetProperty("phases").EnumerateArray().Select(p => p.GetString()));
        Assert.Equal("active", move.GetProperty("phase").GetString());
        var order = seen.Select(o => Array.IndexOf(Phases, o.GetProperty("phase").GetString())).ToList();
        Assert.Equal(order.Order(), order);
        var progress = move.GetProperty("progress");
        Assert.True(progress.GetProperty("total").GetInt64() > 0);
        Assert.Equal(progress.GetProperty("total").GetInt64(), progress.GetProperty("done").GetInt64());
        var copied = Table(move.GetProperty("details"), "documents");
        Assert.True(copied.GetProperty("finished").GetBoolean());
        Assert.Equal(2, copied.GetProperty("rows").GetInt64());
        ToldItsResult(move);
        Assert.Equal(("schema", MoveHost.Second, 2), await host.PlaceAsync(slug));
        var tenant = await host.ReadAsync($"tenants/{slug}");
        Assert.Equal("active", tenant.GetProperty("status").GetString());
        Assert.Equal(JsonValueKind.Null, tenant.GetProperty("activeOperation").ValueKind);
        Assert.Equal(["One", "Two"], await host.TitlesAsync(key));
        var audit = (await host.ReadAsync("audit?limit=1")).GetProperty("items")[0];
        Assert.Equal("moveTenant", audit.GetProperty("action").GetString());
        Assert.Equal($"/tenants/{slug}/moves", audit.GetProperty("target").GetString());
    }

    [Fact]
    public async Task The_events_of_a_move_are_its_phases_in_order_and_end_by_themselves()
    {
        var slug = await host.NewHomeAsync();
        var location = await host.BegunAsync(slug, new { isolation = "schema", keepSourceFor = "PT10M" });

        // It is read to the end of the stream: a stream that goes on would not let this return.
        var stream = await (await host.StaffAsync(HttpMethod.Get, $"{location}/events")).TextAsync();

        var lines = stream.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var events = Fields(lines, "data: ").Select(d => JsonElement.Parse(d)).ToList();
        Assert.All(Fields(lines, "event: "), e => Assert.Equal("operation", e));
        Assert.Equal(Phases, events.Select(e => e.GetProperty("phase").GetString()!).Distinct());
        Assert.Equal("succeeded", events[^1].GetProperty("status").GetString());
        Assert.Single(events, e => e.GetProperty("finishedAt").ValueKind is not JsonValueKind.Null);
        Assert.True(events[^1].GetProperty("result").GetProperty("verification").GetProperty("equal").GetBoolean());
        var ids = Fields(lines, "id: ").Select(long.Parse).ToList();
        Assert.Equal(events.Count, ids.Count);
        Assert.Equal(ids.Distinct().Order(), ids);
        // The same again for who comes late; nothing for who has seen the end.
        Assert.Equal(stream, await (await host.StaffAsync(HttpMethod.Get, $"{location}/events")).TextAsync());
        var rest = await host.StaffAsync(HttpMethod.Get, $"{location}/events", header: ("Last-Event-ID", $"{ids[^1]}"));
        Assert.Equal("", (await rest.TextAsync()).Trim());
        await ClearAsync(location);
    }

    [Fact]
    public async Task A_move_that_waits_is_switched_at_its_word()
    {
        var slug = await host.NewHomeAsync();
        var key = await host.EditorAsync(slug);
        var location = await host.WaitingAsync(slug, new { isolation = "schema", autoCutover = false });
        var waiting = await host.ReadAsync(location);
        Assert.True(waiting.GetProperty("cancellable").GetBoolean());
        var tenant = await host.ReadAsync($"tenants/{slug}");
        Assert.Equal(waiting.GetProperty("id").GetGuid(), tenant.GetProperty("activeOperation").GetGuid());
        Assert.Equal(("shared", MoveHost.First, 1), await host.PlaceAsync(slug));
        await host.WriteAsync(key, "While it waits");
        await (await host.PostAsync(location, "finalize")).ShouldBeAsync(409, "operation-in-progress");

        Assert.Equal(location, await MoveHost.AcceptedAsync(await host.PostAsync(location, "cutover")));

        await host.EndAsync(location);
        Assert.Equal(("schema", MoveHost.First, 2), await host.PlaceAsync(slug));
        Assert.Equal(["While it waits"], await host.TitlesAsync(key));
        await (await host.PostAsync(location, "cutover")).ShouldBeAsync(409, "operation-finished");
        await (await host.PostAsync(location, "cancel")).ShouldBeAsync(409, "operation-not-cancellable");
        await ClearAsync(location);
    }

    [Fact]
    public async Task A_move_that_is_cancelled_leaves_the_tenant_where_it_is_and_another_one_can_follow()
    {
        var slug = await host.NewHomeAsync();
        var key = await host.EditorAsync(slug);
        var location = await host.WaitingAsync(slug, new { isolation = "database", autoCutover = false });
        await host.WriteAsync(key, "While it waits");

        await MoveHost.AcceptedAsync(await host.PostAsync(location, "cancel"));

        var cancelled = await host.EndAsync(location, "cancelled");
        Assert.False(cancelled.GetProperty("cancellable").GetBoolean());
        var (isolation, server, epoch) = await host.PlaceAsync(slug);
        Assert.Equal(("shared", MoveHost.First), (isolation, server));
        Assert.True(epoch > 1, "Whoever still believes in the move would be believed.");
        await host.WriteAsync(key, "After it");
        Assert.Equal(["After it", "While it waits"], await host.TitlesAsync(key));
        Assert.Equal(HttpStatusCode.OK, (await host.PostAsync(location, "cancel")).StatusCode);
        await (await host.PostAsync(location, "cutover")).ShouldBeAsync(409, "operation-finished");
        await (await host.PostAsync(location, "rollback")).ShouldBeAsync(409, "rollback-unavailable");
        await (await host.PostAsync(location, "finalize")).ShouldBeAsync(409, "rollback-unavailable");
        await host.EndAsync(await host.BegunAsync(slug, new { isolation = "database", keepSourceFor = "PT0S" }));
        Assert.Equal(["After it", "While it waits"], await host.TitlesAsync(key));
    }

    [Fact]
    public async Task A_rollback_before_the_switch_is_a_cancellation()
    {
        var slug = await host.NewHomeAsync();
        var location = await host.WaitingAsync(slug, new { isolation = "schema", autoCutover = false });

        Assert.Equal(location, await MoveHost.AcceptedAsync(await host.PostAsync(location, "rollback")));

        await host.EndAsync(location, "cancelled");
        Assert.Equal("shared", (await host.PlaceAsync(slug)).Item1);
    }

    [Fact]
    public async Task A_rollback_brings_what_was_written_since_the_move_along()
    {
        var slug = await host.NewHomeAsync("schema");
        var key = await host.EditorAsync(slug);
        await host.WriteAsync(key, "Before");
        var body = new { isolation = "database", server = MoveHost.Second };
        var move = await host.BegunAsync(slug, body);
        await host.EndAsync(move);
        await host.WriteAsync(key, "Since");

        var rollback = await MoveHost.AcceptedAsync(await host.PostAsync(move, "rollback"));

        Assert.NotEqual(move, rollback);
        var ended = await host.EndAsync(rollback);
        Assert.Equal("rollback", ended.GetProperty("type").GetString());
        Assert.True(ended.GetProperty("result").GetProperty("verification").GetProperty("equal").GetBoolean());
        Assert.Equal(("schema", MoveHost.First, 3), await host.PlaceAsync(slug));
        await host.WriteAsync(key, "After");
        Assert.Equal(["After", "Before", "Since"], await host.TitlesAsync(key));
        Assert.Equal([], MoreLinks(await host.ReadAsync(move)));
        Assert.Equal([], MoreLinks(ended));
        await (await host.PostAsync(move, "rollback")).ShouldBeAsync(409, "rollback-unavailable");
        await (await host.PostAsync(rollback, "rollback")).ShouldBeAsync(409, "not-a-move");
    }

    [Fact]
    public async Task A_finalized_move_has_left_nothing_and_cannot_be_taken_back()
    {
        var slug = await host.NewHomeAsync("database");
        var old = (await host.FindTenantAsync(slug)).Placement.Database.Name;
        var key = await host.EditorAsync(slug);
        await host.WriteAsync(key, "One");
        var location = await host.BegunAsync(slug, new { isolation = "shared" });
        Assert.Equal(["finalize", "rollback"], MoreLinks(await host.EndAsync(location)));
        Assert.True(await ExistsAsync(old));

        var waited = await host.StaffAsync(HttpMethod.Post, $"{location}/finalize", header: ("Prefer", "wait=60"));

        Assert.Equal(
            (HttpStatusCode.OK, "wait=60"),
            (waited.StatusCode, waited.Headers.GetValues("Preference-Applied").Single())
        );
        var finalized = await waited.JsonAsync();
        Assert.Equal("succeeded", finalized.GetProperty("status").GetString());
        Assert.Equal("moveRetention", finalized.GetProperty("type").GetString());
        Assert.Equal([], MoreLinks(await host.ReadAsync(location)));
        Assert.False(await ExistsAsync(old));
        await (await host.PostAsync(location, "rollback")).ShouldBeAsync(409, "rollback-unavailable");
        await (await host.PostAsync(location, "finalize")).ShouldBeAsync(409, "rollback-unavailable");
        Assert.Equal(("shared", MoveHost.First, 2), await host.PlaceAsync(slug));
        Assert.Equal(["One"], await host.TitlesAsync(key));
    }

    // What can still be done about it.
    private static IEnumerable<string> MoreLinks(JsonElement operation) =>
        operation
            .GetProperty("links")
            .EnumerateObject()
            .Select(l => l.Name)
            .Except(["self", "events"])
            .Order(StringComparer.Ordinal);

    private static void ToldItsResult(JsonElement move)
    {
        var result = move.GetProperty("result");
        foreach (var name in new[] { "writePauseMs", "lockMs", "drainMs" })
        {
            Assert.InRange(result.GetProperty(name).GetDouble(), 0, 20_000);
        }

        Assert.InRange(result.GetProperty("rowsCopied").GetInt64(), 4, 100);
        Assert.InRange(result.GetProperty("bytesCopied").GetInt64(), 100, 100_000);
        Assert.True(result.GetProperty("changesStreamed").GetInt64() >= 0);
        var verification = result.GetProperty("verification");
        Assert.True(verification.GetProperty("equal").GetBoolean());
        Assert.Equal(2, Table(verification, "documents").GetProperty("rows").GetInt64());
        Assert.Equal(2, Table(verification, "document_versions").GetProperty("rows").GetInt64());
        foreach (var table in Tables(verification))
        {
            var hash = table.GetProperty("sourceHash").GetString();
            Assert.Matches("^[0-9a-f]{64}$", hash);
            Assert.Equal(hash, table.GetProperty("targetHash").GetString());
        }

        Assert.Equal(2, result.GetProperty("epoch").GetInt64());
        Assert.Matches(@"T\d\d:\d\d:\d\d\.\d{6}Z$", result.GetProperty("sourceKeptUntil").GetString());
        var kept =
            result.GetProperty("sourceKeptUntil").GetDateTimeOffset()
            - move.GetProperty("finishedAt").GetDateTimeOffset();
        Assert.InRange(kept.TotalMinutes, 9.5, 10.1);
        var self = $"/admin/v1/operations/{move.GetProperty("id")}";
        var links = move.GetProperty("links");
        Assert.Equal($"{self}/rollback", result.GetProperty("links").GetProperty("rollback").GetString());
        Assert.Equal($"{self}/rollback", links.GetProperty("rollback").GetString());
        Assert.Equal($"{self}/finalize", links.GetProperty("finalize").GetString());
        Assert.Equal(self, links.GetProperty("self").GetString());
    }

    private async Task ClearAsync(string move) =>
        await host.EndAsync(await MoveHost.AcceptedAsync(await host.PostAsync(move, "finalize")));

    private async Task<bool> ExistsAsync(string database)
    {
        var catalog = (CatalogDatabase)host.Services.GetService(typeof(CatalogDatabase))!;
        await using var command = catalog.Source.CreateCommand(
            "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)"
        );
        command.Parameters.AddWithValue(database);
        return (bool)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    private static JsonElement.ArrayEnumerator Tables(JsonElement of) => of.GetProperty("tables").EnumerateArray();

    private static JsonElement Table(JsonElement of, string name) =>
        Assert.Single(Tables(of), t => t.GetProperty("name").GetString() == name);

    private static IEnumerable<string> Fields(IEnumerable<string> lines, string name) =>
        lines.Where(l => l.StartsWith(name, StringComparison.Ordinal)).Select(l => l[name.Length..]);
}
