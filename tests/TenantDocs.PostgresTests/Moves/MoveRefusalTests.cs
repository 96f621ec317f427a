using System.Net;
using System.Text.Json;
using Microsoft.IdentityModel.Tokens;
using TenantDocs.PostgresTests.Http;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>What is refused of a move over HTTP, with which code, and that nothing came of it.</summary>
[Collection<OneMoveHost>]
public sealed class MoveRefusalTests(MoveHost host)
{
    [Theory]
    [InlineData("""{"isolation":"planet"}""", "isolation")]
    [InlineData("""{"isolation":7}""", "isolation")]
    [InlineData("""{"server":"nowhere"}""", "server")]
    [InlineData("""{"tier":"gold"}""", "tier")]
    [InlineData("""{"isolation":"schema","colour":"red"}""", "colour")]
    [InlineData("""{"isolation":"schema","maxWritePauseMs":0}""", "maxWritePauseMs")]
    [InlineData("""{"isolation":"schema","maxWritePauseMs":-1}""", "maxWritePauseMs")]
    [InlineData("""{"isolation":"schema","maxWritePauseMs":60001}""", "maxWritePauseMs")]
    [InlineData("""{"isolation":"schema","maxWritePauseMs":1.5}""", "maxWritePauseMs")]
    [InlineData("""{"isolation":"schema","maxWritePauseMs":"500"}""", "maxWritePauseMs")]
    [InlineData("""{"isolation":"schema","keepSourceFor":"-PT1H"}""", "keepSourceFor")]
    [InlineData("""{"isolation":"schema","keepSourceFor":"PT1H10"}""", "keepSourceFor")]
    [InlineData("""{"isolation":"schema","keepSourceFor":600}""", "keepSourceFor")]
    [InlineData("""{"isolation":"schema","autoCutover":"no"}""", "autoCutover")]
    [InlineData("""{"isolation":"schema","dryRun":1}""", "dryRun")]
    public async Task A_faulty_request_names_its_field_and_begins_nothing(string body, string field)
    {
        var slug = await host.NewHomeAsync();

        var refused = await host.BeginAsync(slug, body);

        await refused.ShouldBeAsync(400, "validation-failed");
        var errors = (await refused.JsonAsync()).GetProperty("errors");
        Assert.Equal(field, Assert.Single(errors.EnumerateObject()).Name);
        await NothingBeganAsync(slug);
    }

    [Theory]
    [InlineData("""{"isolation":"schema","dryRun":true,"maxWritePauseMs":1,"keepSourceFor":"PT0S"}""")]
    [InlineData("""{"isolation":"schema","dryRun":true,"maxWritePauseMs":60000,"keepSourceFor":"P30D"}""")]
    [InlineData("""{"tier":"enterprise","server":"local-2","dryRun":true,"autoCutover":false}""")]
    public async Task What_is_within_its_bounds_is_accepted(string body) =>
        await host.EndAsync(await host.BegunAsync(await host.NewHomeAsync(), body));

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"isolation":"shared"}""")]
    [InlineData("""{"server":"local-1"}""")]
    [InlineData("""{"tier":"starter"}""")]
    [InlineData("""{"isolation":"shared","server":"local-1","dryRun":true}""")]
    public async Task Where_the_tenant_is_already_nothing_is_to_change(string body)
    {
        var slug = await host.NewHomeAsync();

        await (await host.BeginAsync(slug, body)).ShouldBeAsync(409, "nothing-to-change");

        await NothingBeganAsync(slug);
    }

    [Fact]
    public async Task Of_a_tenant_or_move_that_is_not_there_nothing_is_moved()
    {
        await (await host.BeginAsync("nobody", new { isolation = "schema" })).ShouldBeAsync(404, "tenant-not-found");
        var slug = await host.NewHomeAsync();
        var made = (await host.ReadAsync($"operations?tenant={slug}&type=provision")).GetProperty("items")[0];
        foreach (var verb in new[] { "cutover", "rollback", "finalize" })
        {
            await (await host.PostAsync($"operations/{Guid.NewGuid()}", verb)).ShouldBeAsync(404, "not-found");
            await (await host.PostAsync("operations/x", verb)).ShouldBeAsync(404, "not-found");
            var other = await host.PostAsync($"operations/{made.GetProperty("id")}", verb);
            await other.ShouldBeAsync(409, "not-a-move");
        }

        await (await host.PostAsync($"operations/{Guid.NewGuid()}", "cancel")).ShouldBeAsync(404, "not-found");
    }

    [Fact]
    public async Task While_one_move_goes_on_another_is_refused_but_can_be_planned()
    {
        var slug = await host.NewHomeAsync();
        var location = await host.WaitingAsync(slug, new { isolation = "schema", autoCutover = false });

        var second = await host.BeginAsync(slug, new { isolation = "database" });

        await second.ShouldBeAsync(409, "operation-in-progress");
        var other = (await second.JsonAsync()).GetProperty("operation").GetString()!;
        Assert.EndsWith(other, location, StringComparison.Ordinal);
        Assert.Equal(["operation-in-progress"], await BlockersAsync(slug));
        await MoveHost.AcceptedAsync(await host.PostAsync(location, "cancel"));
        await host.EndAsync(location, "cancelled");
        Assert.Empty(await BlockersAsync(slug));
    }

    [Fact]
    public async Task A_tenant_is_not_called_unchanged_while_an_operation_is_shown_and_after_one_that_was_taken_back()
    {
        var slug = await host.NewHomeAsync();
        Task<HttpResponseMessage> AskAsync(string tag) =>
            host.StaffAsync(HttpMethod.Get, $"tenants/{slug}", header: ("If-None-Match", tag));
        var before = (await AskAsync("\"0\"")).Headers.ETag!.Tag;
        Assert.Equal(HttpStatusCode.NotModified, (await AskAsync(before)).StatusCode); // the control

        var location = await host.WaitingAsync(slug, new { isolation = "schema", autoCutover = false });
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(before)).StatusCode);

        await MoveHost.AcceptedAsync(await host.PostAsync(location, "cancel"));
        await host.EndAsync(location, "cancelled");
        var after = await AskAsync(before);
        Assert.Equal(HttpStatusCode.OK, after.StatusCode);
        Assert.Equal(HttpStatusCode.NotModified, (await AskAsync(after.Headers.ETag!.Tag)).StatusCode);
    }

    [Fact]
    public async Task A_plan_says_that_a_move_ends_the_way_back_of_the_one_before_it()
    {
        var slug = await host.NewHomeAsync();
        var first = await host.EndAsync(await host.BegunAsync(slug, new { isolation = "schema" }));

        var plan = await host.EndAsync(await host.BegunAsync(slug, new { isolation = "database", dryRun = true }));

        var note = plan.GetProperty("result")
            .GetProperty("notes")
            .EnumerateArray()
            .Single(n => n.GetProperty("code").GetString() == "ends-way-back");
        Assert.Contains(first.GetProperty("id").GetString()!, note.GetProperty("detail").GetString());
        // The control: it did not end it.
        var location = $"operations/{first.GetProperty("id").GetString()}";
        await host.EndAsync(await MoveHost.AcceptedAsync(await host.PostAsync(location, "rollback")));
        Assert.Equal("shared", (await host.PlaceAsync(slug)).Item1);
    }

    [Fact]
    public async Task A_tenant_that_is_bound_to_a_region_does_not_leave_it()
    {
        var bound = await host.NewHomeAsync(region: "eu");
        var free = await host.NewHomeAsync();
        var body = new { isolation = "schema", server = MoveHost.Second };

        await (await host.BeginAsync(bound, body)).ShouldBeAsync(409, "region-forbidden");

        await NothingBeganAsync(bound);
        Assert.Equal(["region-forbidden"], await BlockersAsync(bound));
        // The controls: within its region it may move, and another tenant may leave it.
        Assert.Empty(await BlockersAsync(bound, MoveHost.First, "database"));
        Assert.Empty(await BlockersAsync(free));
    }

    [Fact]
    public async Task A_draining_server_is_left_and_not_moved_to()
    {
        var coming = await host.NewHomeAsync();
        var leaving = await host.NewHomeAsync(server: MoveHost.Second);
        await host.StaffAsync(HttpMethod.Post, "servers/local-2/drain");
        try
        {
            var refused = await host.BeginAsync(coming, new { server = MoveHost.Second });
            await refused.ShouldBeAsync(409, "server-draining");
            await NothingBeganAsync(coming);
            Assert.Equal(["server-draining"], await BlockersAsync(coming));
            await host.EndAsync(
                await host.BegunAsync(leaving, new { server = MoveHost.First, keepSourceFor = "PT0S" })
            );
        }
        finally
        {
            await host.StaffAsync(HttpMethod.Post, "servers/local-2/undrain");
        }

        Assert.Empty(await BlockersAsync(coming));
    }

    [Fact]
    public async Task A_tenant_that_is_to_be_deleted_does_not_move()
    {
        var slug = await host.NewHomeAsync();
        await host.StaffAsync(HttpMethod.Delete, $"tenants/{slug}", header: ("X-Confirm", slug));

        await (await host.BeginAsync(slug, new { isolation = "schema" })).ShouldBeAsync(409, "tenant-state");
        Assert.Equal(["tenant-state"], await BlockersAsync(slug));

        await host.StaffAsync(HttpMethod.Post, $"tenants/{slug}/undelete");
        Assert.Empty(await BlockersAsync(slug));
    }

    [Fact]
    public async Task Who_may_only_look_sees_a_move_and_does_nothing_to_it()
    {
        var slug = await host.NewHomeAsync();
        var location = await host.WaitingAsync(slug, new { isolation = "schema", autoCutover = false });
        var key = await host.EditorAsync(slug);
        var (looks, manages) = (StaffToken("tenants:read"), StaffToken("tenants:manage"));
        foreach (var verb in new[] { "cutover", "cancel", "rollback", "finalize" })
        {
            var path = $"{location}/{verb}";
            await RefusedAsync(await host.StaffAsync(HttpMethod.Post, path, credential: looks));
            await RefusedAsync(await host.StaffAsync(HttpMethod.Post, path, credential: key));
        }

        var moves = $"tenants/{slug}/moves";
        var body = new { isolation = "database", dryRun = true };
        await RefusedAsync(await host.StaffAsync(HttpMethod.Post, moves, body, credential: looks));
        await RefusedAsync(await host.StaffAsync(HttpMethod.Post, moves, body, credential: key));
        var waiting = await (await host.StaffAsync(HttpMethod.Get, location, credential: looks)).JsonAsync();
        Assert.Equal("waiting", waiting.GetProperty("status").GetString());
        await MoveHost.AcceptedAsync(await host.StaffAsync(HttpMethod.Post, moves, body, credential: manages));
        await MoveHost.AcceptedAsync(await host.StaffAsync(HttpMethod.Post, $"{location}/cancel", credential: manages));
        await host.EndAsync(location, "cancelled");
    }

    [Fact]
    public async Task A_repeated_request_with_its_key_is_one_move()
    {
        var slug = await host.NewHomeAsync();
        var (body, key) = (new { isolation = "schema", autoCutover = false }, ("Idempotency-Key", slug));

        var first = await host.BeginAsync(slug, body, key);
        var again = await host.BeginAsync(slug, body, key);
        var other = await host.BeginAsync(slug, new { isolation = "database", autoCutover = false }, key);
        var without = await host.BeginAsync(slug, body);

        var location = await MoveHost.AcceptedAsync(first);
        Assert.Equal(location, await MoveHost.AcceptedAsync(again));
        Assert.Equal(await first.TextAsync(), await again.TextAsync());
        Assert.Equal("true", again.Headers.GetValues("Idempotency-Replayed").Single());
        await other.ShouldBeAsync(422, "idempotency-key-reused");
        await without.ShouldBeAsync(409, "operation-in-progress");
        Assert.Single(await MovesAsync(slug));
        await MoveHost.AcceptedAsync(await host.PostAsync(location, "cancel"));
        await host.EndAsync(location, "cancelled");
    }

    private static async Task RefusedAsync(HttpResponseMessage answer) => await answer.ShouldBeAsync(403, "forbidden");

    private string StaffToken(string scopes) =>
        host.Token(
            new SigningCredentials(host.StaffKey, SecurityAlgorithms.HmacSha256),
            HttpHost.StaffIssuer,
            claims: [("scope", scopes)]
        );

    private async Task NothingBeganAsync(string slug)
    {
        Assert.Empty(await MovesAsync(slug));
        var tenant = await host.ReadAsync($"tenants/{slug}");
        Assert.Equal(JsonValueKind.Null, tenant.GetProperty("activeOperation").ValueKind);
        Assert.Equal(("shared", MoveHost.First, 1), await host.PlaceAsync(slug));
    }

    private async Task<IReadOnlyList<JsonElement>> MovesAsync(string slug) =>
        [.. (await host.ReadAsync($"operations?tenant={slug}&type=move")).GetProperty("items").EnumerateArray()];

    private async Task<IReadOnlyList<string?>> BlockersAsync(
        string slug,
        string server = MoveHost.Second,
        string isolation = "schema"
    )
    {
        var body = new
        {
            isolation,
            server,
            dryRun = true,
        };
        var plan = await host.EndAsync(await host.BegunAsync(slug, body));
        return
        [
            .. plan.GetProperty("result")
                .GetProperty("blockers")
                .EnumerateArray()
                .Select(b => b.GetProperty("code").GetString()),
        ];
    }
}
