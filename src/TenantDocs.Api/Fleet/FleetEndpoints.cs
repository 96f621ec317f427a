using System.Globalization;
using TenantDocs.Api.Http;
using TenantDocs.Catalog;
using TenantDocs.Fleet;
using TenantDocs.Provisioning;

namespace TenantDocs.Api.Fleet;

/// <summary>The servers, the fleet in numbers, the doctor, and what staff did.</summary>
internal static class FleetEndpoints
{
    private static readonly string[] AuditFilters = ["limit", "cursor", "actor", "action"];

    public static IServiceCollection AddFleetEndpoints(this IServiceCollection services) =>
        services.AddSingleton<AdminAnswers>();

    /// <summary>Audit and idempotency around every unsafe call of the admin API.</summary>
    public static RouteGroupBuilder WithAdminWrites(this RouteGroupBuilder admin) =>
        admin.AddEndpointFilter<AdminWrites>();

    public static IEndpointRouteBuilder MapFleet(this IEndpointRouteBuilder admin)
    {
        var servers = admin.MapGroup("/servers").WithTags("Servers");
        servers.MapGet("", ListServersAsync).WithName("listServers").WithSummary("List servers with what they hold");
        servers.MapPost("", PostServerAsync).WithName("addServer").WithSummary("Register a server and prepare it");
        servers
            .MapPost(
                "/{name}/drain",
                (string name, HttpContext context, ServerFleet fleet, StaffRequest _) =>
                    DrainAsync(name, true, context, fleet)
            )
            .WithName("drainServer")
            .WithSummary("Place no new tenant on a server");
        servers
            .MapPost(
                "/{name}/undrain",
                (string name, HttpContext context, ServerFleet fleet, StaffRequest _) =>
                    DrainAsync(name, false, context, fleet)
            )
            .WithName("undrainServer")
            .WithSummary("Place new tenants on a server again");

        var fleet = admin.MapGroup("").WithTags("Fleet");
        fleet
            .MapGet(
                "/fleet/summary",
                async (StaffRequest _, HttpContext context, FleetSummary summary) =>
                    RequestQuery.RefuseAny(context.Request) is { } unknown
                        ? Problems.Of(unknown)
                        : Json.Result(await summary.ReadAsync(context.RequestAborted))
            )
            .WithName("getFleetSummary")
            .WithSummary("The fleet in numbers");
        fleet
            .MapGet(
                "/doctor",
                async (StaffRequest _, HttpContext context, Doctor doctor) =>
                    RequestQuery.RefuseAny(context.Request) is { } unknown
                        ? Problems.Of(unknown)
                        : Json.Result(await doctor.ExamineAsync(context.RequestAborted))
            )
            .WithName("examine")
            .WithSummary("Examine servers, guards, fences, leftovers and operations");
        fleet.MapGet("/audit", AuditAsync).WithName("listAudit").WithSummary("What staff did, newest first");
        return admin;
    }

    private static async Task<IResult> ListServersAsync(StaffRequest _, HttpContext context, TenantPlacing placing) =>
        RequestQuery.RefuseAny(context.Request) is { } unknown
            ? Problems.Of(unknown)
            : Json.Result(new Page<ServerLoad>(await placing.LoadAsync(context.RequestAborted), null));

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
        var read = RequestQuery.Read(context.Request, AuditFilters);
        if (read.Error is { } unknown)
        {
            return Problems.Of(unknown);
        }

        var query = read.Value;
        var limit = query.Limit;
        if (query.Finish() is { } faults)
        {
            return Problems.Of(faults);
        }

        var scope = new CursorScope(null, "audit", query.Signature);
        long? before = null;
        if (query.Cursor is { } cursor)
        {
            var keys = await cursors.ReadAsync(scope, cursor, context.RequestAborted);
            if (keys.Error is { } badCursor)
            {
                return Problems.Of(badCursor);
            }

            before = long.Parse(keys.Value[0], CultureInfo.InvariantCulture);
        }

        var found = await audit.ListAsync(
            before,
            limit + 1,
            query.Text("actor"),
            query.Text("action"),
            context.RequestAborted
        );
        string[] last = found.Count > limit ? [found[limit - 1].Seq.ToString(CultureInfo.InvariantCulture)] : [];
        var next = last.Length > 0 ? await cursors.WriteAsync(scope, last, context.RequestAborted) : null;
        return Json.Result(new Page<StaffAction>([.. found.Take(limit)], next));
    }
}
