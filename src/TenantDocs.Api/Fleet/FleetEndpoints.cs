using System.Globalization;
using TenantDocs.Api.Http;
using TenantDocs.Catalog;
using TenantDocs.Fleet;
using TenantDocs.Provisioning;

namespace TenantDocs.Api.Fleet;

/// <summary>The servers, the fleet in numbers, the doctor, and what staff did.</summary>
internal static class FleetEndpoints
{
    private static readonly QueryParameter[] AuditFilters =
    [
        QueryParameter.Limit,
        QueryParameter.Cursor,
        new("actor", "Only what this actor did."),
        new("action", "Only actions of this name."),
    ];

    public static IServiceCollection AddFleetEndpoints(this IServiceCollection services) =>
        services.AddSingleton<AdminAnswers>();

    /// <summary>Audit and idempotency around every unsafe call of the admin API.</summary>
    public static RouteGroupBuilder WithAdminWrites(this RouteGroupBuilder admin) =>
        admin.AddEndpointFilter<AdminWrites>();

    public static IEndpointRouteBuilder MapFleet(this IEndpointRouteBuilder admin)
    {
        var servers = admin
            .MapGroup("/servers")
            .WithTags("Servers")
            .Require(Permission.FleetRead, Permission.FleetManage);
        servers
            .MapGet("", ListServersAsync)
            .Named("listServers", "List servers with what they hold")
            .Query(QueryParameter.Limit, QueryParameter.Cursor)
            .Answers<Page<ServerLoad>>();
        servers
            .MapPost("", PostServerAsync)
            .Named("addServer", "Register a server and prepare it")
            .Takes<ServerBody>()
            .Answers<ServerLoad>(StatusCodes.Status201Created, "Location");
        servers
            .MapGet(
                "/{name}",
                async (string name, HttpContext context, ServerFleet fleet, StaffRequest _) =>
                    await fleet.FindAsync(name, context.RequestAborted) is { } server
                        ? Json.Result(server)
                        : Problems.Of(Error.NotFound)
            )
            .Named("getServer", "Read a server with what it holds")
            .Answers<ServerLoad>();
        servers
            .MapPost(
                "/{name}/drain",
                (string name, HttpContext context, ServerFleet fleet, StaffRequest _) =>
                    DrainAsync(name, true, context, fleet)
            )
            .Named("drainServer", "Place no new tenant on a server")
            .Answers<ServerLoad>();
        servers
            .MapPost(
                "/{name}/undrain",
                (string name, HttpContext context, ServerFleet fleet, StaffRequest _) =>
                    DrainAsync(name, false, context, fleet)
            )
            .Named("undrainServer", "Place new tenants on a server again")
            .Answers<ServerLoad>();

        var fleet = admin.MapGroup("").WithTags("Fleet").Require(Permission.FleetRead);
        fleet
            .MapGet(
                "/fleet/summary",
                async (StaffRequest _, HttpContext context, FleetSummary summary) =>
                    Json.Result(await summary.ReadAsync(context.RequestAborted))
            )
            .Named("getFleetSummary", "The fleet in numbers")
            .Answers<FleetNumbers>();
        fleet
            .MapGet(
                "/doctor",
                async (StaffRequest _, HttpContext context, Doctor doctor) =>
                    Json.Result(await doctor.ExamineAsync(context.RequestAborted))
            )
            .Named("examine", "Examine servers, guards, fences, leftovers and operations")
            .Answers<DoctorReport>();
        fleet
            .MapGet("/audit", AuditAsync)
            .Require(Permission.AuditRead)
            .Named("listAudit", "What staff did, newest first")
            .Query(AuditFilters)
            .Answers<Page<StaffAction>>();
        return admin;
    }

    private static async Task<IResult> ListServersAsync(
        StaffRequest _,
        HttpContext context,
        TenantPlacing placing,
        Cursors cursors
    )
    {
        var query = RequestQuery.Of(context.Request);
        var limit = query.Limit;
        if (query.Finish() is { } faults)
        {
            return Problems.Of(faults);
        }

        var pages = new Pages(cursors, "servers", query);
        var after = await pages.ReadKeysAsync(context.RequestAborted);
        if (after.Error is { } badCursor)
        {
            return Problems.Of(badCursor);
        }

        // All of them with one statement: a fleet has few servers, and each is counted.
        var all = await placing.LoadAsync(context.RequestAborted);
        var rest = all.OrderBy(s => s.Name, StringComparer.Ordinal)
            .Where(s => after.Value is not [var name] || string.CompareOrdinal(s.Name, name) > 0);
        return await pages.AnswerAsync([.. rest], limit, s => [s.Name], s => s, context.RequestAborted);
    }

    private static async Task<IResult> PostServerAsync(StaffRequest _, HttpContext context, ServerFleet fleet)
    {
        var read = await JsonBody.ReadAsync(context.Request, BodyForm.Json, context.RequestAborted);
        if (read.Error is { } error)
        {
            return Problems.Of(error);
        }

        using var body = read.Value;
        var name = body.RequiredText("name", 1, 63);
        if (name.Length > 0 && !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-'))
        {
            body.Fault("name", "Of a–z, 0–9 and -.");
        }

        var options = new ServerOptions
        {
            ConnectionString = body.RequiredText("connectionString", 1, 4000),
            Region = body.Text("region", 1, 100) ?? "default",
            Capacity = (int)(body.Number("capacity", 1, 10_000_000) ?? 10_000),
        };
        if (name.StartsWith('-'))
        {
            body.Fault("name", "Must begin with a letter or a digit.");
        }

        if (body.Finish() is { } faults)
        {
            return Problems.Of(faults);
        }

        var added = await fleet.AddAsync(name, options, context.RequestAborted);
        return added.ToResult(s =>
            Json.Result(
                s,
                StatusCodes.Status201Created,
                location: $"{context.Request.PathBase}/admin/v1/servers/{s.Name}"
            )
        );
    }

    private static async Task<IResult> DrainAsync(string name, bool draining, HttpContext context, ServerFleet fleet) =>
        (await fleet.SetDrainingAsync(name, draining, context.RequestAborted)).ToResult(s => Json.Result(s));

    private static async Task<IResult> AuditAsync(
        StaffRequest _,
        HttpContext context,
        StaffAudit audit,
        Cursors cursors
    )
    {
        var query = RequestQuery.Of(context.Request);
        var limit = query.Limit;
        if (query.Finish() is { } faults)
        {
            return Problems.Of(faults);
        }

        var pages = new Pages(cursors, "audit", query);
        var before = await pages.ReadKeysAsync(context.RequestAborted);
        if (before.Error is { } badCursor)
        {
            return Problems.Of(badCursor);
        }

        var found = await audit.ListAsync(
            before.Value is [var seq] ? long.Parse(seq, CultureInfo.InvariantCulture) : null,
            limit + 1,
            query.Text("actor"),
            query.Text("action"),
            context.RequestAborted
        );
        return await pages.AnswerAsync(
            found,
            limit,
            a => [a.Seq.ToString(CultureInfo.InvariantCulture)],
            a => a,
            context.RequestAborted
        );
    }

    /// <summary>A server to register.</summary>
    internal sealed record ServerBody(string Name, [property: Secret] string ConnectionString)
    {
        public string? Region { get; init; }
        public int? Capacity { get; init; }
    }
}
