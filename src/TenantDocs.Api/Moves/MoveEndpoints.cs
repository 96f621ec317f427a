using TenantDocs.Api.Http;
using TenantDocs.Api.Operations;
using TenantDocs.Catalog;
using TenantDocs.Moves;
using TenantDocs.Operations;

namespace TenantDocs.Api.Moves;

/// <summary>Moving tenants, as staff does it.</summary>
internal static class MoveEndpoints
{
    public static IEndpointRouteBuilder MapMoves(this IEndpointRouteBuilder admin)
    {
        admin
            .MapPost("/tenants/{slug}/moves", PostAsync)
            .WithTags("Moves")
            .Require(Permission.TenantsManage)
            .Named("moveTenant", "Move a live tenant to another isolation, tier or server")
            .Takes<MoveBody>()
            .Reads(RequestHeader.Prefer)
            .Answers<OperationAnswer>()
            .Answers<OperationAnswer>(StatusCodes.Status202Accepted, "Location", "Retry-After");
        var moves = admin.MapGroup("/operations/{id}").WithTags("Moves").Require(Permission.TenantsManage);
        moves
            .MapPost("/cutover", CutoverAsync)
            .Named("cutOverMove", "Switch a move that waits for it")
            .Reads(RequestHeader.Prefer)
            .Answers<OperationAnswer>()
            .Answers<OperationAnswer>(StatusCodes.Status202Accepted, "Location", "Retry-After");
        moves
            .MapPost("/rollback", RollbackAsync)
            .Named("rollBackMove", "Take a move back")
            .Reads(RequestHeader.Prefer)
            .Answers<OperationAnswer>()
            .Answers<OperationAnswer>(StatusCodes.Status202Accepted, "Location", "Retry-After");
        moves
            .MapPost("/finalize", FinalizeAsync)
            .Named("finalizeMove", "Remove what a move keeps of its source")
            .Reads(RequestHeader.Prefer)
            .Answers<OperationAnswer>()
            .Answers<OperationAnswer>(StatusCodes.Status202Accepted, "Location", "Retry-After");
        return admin;
    }

    private static async Task<IResult> PostAsync(
        StaffRequest staff,
        string slug,
        HttpContext context,
        TenantMoves moves,
        LongWork work
    )
    {
        var read = await JsonBody.ReadAsync(context.Request, BodyForm.Json, context.RequestAborted);
        if (read.Error is { } error)
        {
            return Problems.Of(error);
        }

        using var body = read.Value;
        var request = new MoveRequest
        {
            Tier = body.Text("tier", 1, 100),
            Isolation = body.Choice<IsolationModel>("isolation"),
            Server = body.Text("server", 1, 100),
            AutoCutover = body.Flag("autoCutover") ?? true,
            MaxWritePauseMs = (int?)body.Number("maxWritePauseMs", 1, MoveRequest.LongestPauseMs),
            KeepSourceFor = Duration(body, "keepSourceFor"),
        };
        var dryRun = body.Flag("dryRun") ?? false;
        return body.Finish() is { } faults
            ? Problems.Of(faults)
            : await work.AnswerAsync(
                context,
                await moves.StartAsync(slug, request, dryRun, staff.Caller.Actor, context.RequestAborted)
            );
    }

    private static Task<IResult> CutoverAsync(
        StaffRequest _,
        string id,
        HttpContext context,
        TenantMoves moves,
        LongWork work
    ) => AnswerAsync(context, work, id, move => moves.CutoverAsync(move, context.RequestAborted));

    private static Task<IResult> RollbackAsync(
        StaffRequest staff,
        string id,
        HttpContext context,
        TenantMoves moves,
        LongWork work
    ) => AnswerAsync(context, work, id, move => moves.RollbackAsync(move, staff.Caller.Actor, context.RequestAborted));

    private static Task<IResult> FinalizeAsync(
        StaffRequest _,
        string id,
        HttpContext context,
        TenantMoves moves,
        LongWork work
    ) => AnswerAsync(context, work, id, move => moves.FinalizeAsync(move, context.RequestAborted));

    private static async Task<IResult> AnswerAsync(
        HttpContext context,
        LongWork work,
        string id,
        Func<Guid, Task<Result<Operation>>> act
    )
    {
        if (!Guid.TryParseExact(id, "D", out var known))
        {
            return Problems.Of(Error.NotFound);
        }

        var result = await act(known);
        return result.Error is { } error
            ? Problems.Of(error)
            : await work.AnswerAsync(context, new StartedOperation(result.Value, null));
    }

    private static TimeSpan? Duration(JsonBody body, string name)
    {
        if (body.Text(name, 1, 40) is not { } text)
        {
            return null;
        }

        if (MoveRequest.TryReadKeeping(text, out var duration))
        {
            return duration;
        }

        body.Fault(name, "An ISO 8601 duration up to 30 days, such as PT10M.");
        return null;
    }

    /// <summary>Where to, and how. The tier, or the isolation, or another server.</summary>
    internal sealed record MoveBody
    {
        public string? Tier { get; init; }
        public IsolationModel? Isolation { get; init; }
        public string? Server { get; init; }
        public bool? DryRun { get; init; }
        public bool? AutoCutover { get; init; }
        public int? MaxWritePauseMs { get; init; }
        public string? KeepSourceFor { get; init; }
    }
}
