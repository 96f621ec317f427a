using TenantDocs.Isolation;

namespace TenantDocs.Api.Http;

/// <summary>Outermost: puts the ids on every answer, and turns exceptions and the framework's bare refusals into problems.</summary>
internal sealed partial class ProblemMiddleware(RequestDelegate next, ILogger<ProblemMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        Stamp(context);
        if (RequestSize.Judge(context) is { } tooLarge)
        {
            await Problems.WriteAsync(context, tooLarge);
            return;
        }

        try
        {
            await next(context);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            return; // nobody is there to be answered
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            var error = Failures.Translate(e);
            Record(context, e, error);
            context.Response.Clear();
            Stamp(context);
            await Problems.WriteAsync(context, error ?? Failures.Internal);
            return;
        }

        var response = context.Response;
        if (response is { HasStarted: false, StatusCode: >= 400, ContentLength: null, ContentType: null })
        {
            await AnswerAsync(context);
        }
    }

    private static Task AnswerAsync(HttpContext context)
    {
        if (
            context.Response.StatusCode == StatusCodes.Status405MethodNotAllowed
            && HttpMethods.IsOptions(context.Request.Method)
        )
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent; // Allow is set already
            return Task.CompletedTask;
        }

        return Problems.WriteAsync(context, Failures.OfStatus(context.Response.StatusCode));
    }

    private static void Stamp(HttpContext context)
    {
        RequestIds.Stamp(context);
        context.Response.Headers.XContentTypeOptions = "nosniff";
    }

    private void Record(HttpContext context, Exception exception, Error? error)
    {
        if (exception is TenantIsolationException)
        {
            IsolationInDoubt(logger, exception);
        }
        else if (error is null || error == Failures.Internal)
        {
            Failed(logger, exception, context.Request.Method, context.GetEndpoint()?.DisplayName ?? "no endpoint");
        }
        else if (Problems.StatusOf(error) >= 500)
        {
            Unavailable(logger, exception.GetType().Name, error.Code);
        }
    }

    [LoggerMessage(9001, LogLevel.Error, "{Method} on {Endpoint} failed.")]
    private static partial void Failed(ILogger logger, Exception exception, string method, string endpoint);

    [LoggerMessage(9002, LogLevel.Critical, "A session was in doubt about its tenant; the request was refused.")]
    private static partial void IsolationInDoubt(ILogger logger, Exception exception);

    [LoggerMessage(9003, LogLevel.Debug, "Answered {Code} because of {Exception}.")]
    private static partial void Unavailable(ILogger logger, string exception, string code);
}
