using System.Globalization;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using TenantDocs.Api.Http;
using TenantDocs.Operations;

namespace TenantDocs.Api.Operations;

/// <summary>Long-running work, as staff sees it.</summary>
internal static class OperationEndpoints
{
    private static readonly QueryParameter[] Filters =
    [
        QueryParameter.Limit,
        QueryParameter.Cursor,
        new("tenant", "Only those on this tenant, by slug."),
        new("type", "Only those of this type."),
        QueryParameter.OneOf<OperationStatus>("status", "Only those in this state."),
    ];

    private static readonly RequestHeader LastEventId = new("Last-Event-ID", "The id of the last event you have.");

    public static IServiceCollection AddOperationEndpoints(this IServiceCollection services) =>
        services.AddSingleton<LongWork>();

    public static IEndpointRouteBuilder MapOperations(this IEndpointRouteBuilder admin)
    {
        var operations = admin
            .MapGroup("/operations")
            .WithTags("Operations")
            .Require(Permission.TenantsRead, Permission.TenantsManage);
        operations
            .MapGet("", ListAsync)
            .Named("listOperations", "List operations, newest first")
            .Query(Filters)
            .Answers<Page<OperationAnswer>>();
        operations.MapGet("/{id}", GetAsync).Named("getOperation", "Read an operation").Answers<OperationAnswer>();
        operations
            .MapGet("/{id}/events", EventsAsync)
            .Named("watchOperation", "Follow an operation (Server-Sent Events; resumes after Last-Event-ID)")
            .Reads(LastEventId)
            .Produces<OperationAnswer>(StatusCodes.Status200OK, "text/event-stream");
        operations
            .MapPost("/{id}/cancel", CancelAsync)
            .Named("cancelOperation", "Stop an operation and take back what it did")
            .Reads(RequestHeader.Prefer)
            .Answers<OperationAnswer>()
            .Answers<OperationAnswer>(StatusCodes.Status202Accepted, "Location", "Retry-After");
        return admin;
    }

    private static async Task<IResult> ListAsync(
        StaffRequest _,
        HttpContext context,
        OperationHistory history,
        Cursors cursors
    )
    {
        var query = RequestQuery.Of(context.Request);
        var limit = query.Limit;
        var filter = new OperationFilter
        {
            Tenant = query.Text("tenant"),
            Type = query.Text("type"),
            Status = query.Choice<OperationStatus>("status"),
            Limit = limit + 1,
        };
        if (query.Finish() is { } faults)
        {
            return Problems.Of(faults);
        }

        var list = new Pages(cursors, "operations", query);
        var after = await list.ReadAsync(context.RequestAborted);
        if (after.Error is { } badCursor)
        {
            return Problems.Of(badCursor);
        }

        var found = await history.ListAsync(filter with { Before = after.Value }, context.RequestAborted);
        return await list.AnswerAsync(
            found,
            limit,
            o => Pages.KeysOf(o.CreatedAt, o.Id),
            OperationAnswer.Of,
            context.RequestAborted
        );
    }

    private static async Task<IResult> GetAsync(
        StaffRequest _,
        string id,
        HttpContext context,
        OperationRequests requests
    ) =>
        await FindAsync(id, requests, context.RequestAborted) is { } operation
            ? Json.Result(OperationAnswer.Of(operation))
            : Problems.Of(Error.NotFound);

    private static async Task<IResult> CancelAsync(
        StaffRequest _,
        string id,
        HttpContext context,
        OperationRequests requests,
        LongWork work
    )
    {
        if (!Guid.TryParseExact(id, "D", out var known))
        {
            return Problems.Of(Error.NotFound);
        }

        var cancelled = await requests.CancelAsync(known, context.RequestAborted);
        return cancelled switch
        {
            { Error: { } error } => Problems.Of(error),
            { Value: { IsFinished: true } ended } => Json.Result(OperationAnswer.Of(ended)),
            _ => await work.AnswerAsync(context, new StartedOperation(cancelled.Value, null)),
        };
    }

    private static async Task<IResult> EventsAsync(
        StaffRequest _,
        string id,
        HttpContext context,
        OperationRequests requests,
        OperationHistory history,
        IHostApplicationLifetime host
    )
    {
        var last = context.Request.Headers["Last-Event-ID"].ToString();
        var after = 0L;
        if (last.Length > 0 && !long.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out after))
        {
            return Problems.Of(Error.Invalid("Last-Event-ID", "Not the id of an event of this stream."));
        }

        if (await FindAsync(id, requests, context.RequestAborted) is not { } operation)
        {
            return Problems.Of(Error.NotFound);
        }

        // A proxy that gathers the answer would hold back what is there to be seen at once.
        context.Response.Headers["X-Accel-Buffering"] = "no";
        if (HttpMethods.IsHead(context.Request.Method))
        {
            // What GET would begin with, without the stream that has no end.
            context.Response.ContentType = "text/event-stream";
            return TypedResults.Empty;
        }

        return TypedResults.ServerSentEvents(
            ItemsAsync(history, operation, after, host.ApplicationStopping, context.RequestAborted)
        );
    }

    private static async IAsyncEnumerable<SseItem<OperationAnswer>> ItemsAsync(
        OperationHistory history,
        Operation operation,
        long after,
        CancellationToken stopping,
        [EnumeratorCancellation] CancellationToken gone
    )
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stopping, gone);
        await using var events = history.WatchAsync(operation, after, over.Token).GetAsyncEnumerator(over.Token);
        while (await NextAsync(events, stopping))
        {
            var happened = events.Current;
            yield return new SseItem<OperationAnswer>(OperationAnswer.Of(happened.Operation), "operation")
            {
                EventId = happened.Seq.ToString(CultureInfo.InvariantCulture),
            };
        }
    }

    // A host that stops ends its streams, else it would wait for them; the client resumes at another one.
    private static async Task<bool> NextAsync(IAsyncEnumerator<OperationEvent> events, CancellationToken stopping)
    {
        try
        {
            return await events.MoveNextAsync();
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return false;
        }
    }

    private static async Task<Operation?> FindAsync(
        string id,
        OperationRequests requests,
        CancellationToken cancellationToken
    ) => Guid.TryParseExact(id, "D", out var known) ? await requests.FindAsync(known, cancellationToken) : null;
}
