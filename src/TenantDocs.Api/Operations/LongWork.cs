using System.Globalization;
using TenantDocs.Api.Fleet;
using TenantDocs.Api.Http;
using TenantDocs.Operations;

namespace TenantDocs.Api.Operations;

/// <summary>How a request that begins an operation is answered: 202 and where to look, or its end when the client waits.</summary>
internal sealed class LongWork(OperationRequests requests, IHostApplicationLifetime host)
{
    private const int LongestWait = 300;

    /// <summary>Answers with <paramref name="succeeded"/> when the client waits long enough for a success.</summary>
    public async Task<IResult> AnswerAsync(
        HttpContext context,
        Result<StartedOperation> started,
        Func<Operation, Task<IResult>>? succeeded = null
    )
    {
        if (started.Error is { } error)
        {
            return Problems.Of(error);
        }

        var wait = WaitOf(context.Request);
        if (wait is null)
        {
            return Accepted(context, started.Value.Operation);
        }

        context.Response.Headers["Preference-Applied"] = string.Create(
            CultureInfo.InvariantCulture,
            $"wait={wait.Value.TotalSeconds:0}"
        );
        var operation = await WaitAsync(context, started.Value, wait.Value);
        return operation switch
        {
            { Status: OperationStatus.Succeeded } when succeeded is not null => await succeeded(operation),
            { IsFinished: true } => Json.Result(OperationAnswer.Of(operation)),
            _ => Accepted(context, operation),
        };
    }

    /// <summary>202 with the operation, its address, and when to ask again.</summary>
    public static IResult Accepted(HttpContext context, Operation operation)
    {
        context.Response.Headers.RetryAfter = "1";
        var answer = OperationAnswer.Of(operation);
        return Json.Result(answer, StatusCodes.Status202Accepted, location: context.Request.PathBase + answer.Location);
    }

    // The work goes on without the one who waits for it: when the client leaves, or this host stops, the answer is where to
    // look, also for the client that asks again with its Idempotency-Key.
    private async Task<Operation> WaitAsync(HttpContext context, StartedOperation started, TimeSpan atMost)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(
            AdminWrites.ClientGone(context),
            host.ApplicationStopping
        );
        try
        {
            return await requests.WaitAsync(started, atMost, over.Token);
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            return started.Operation;
        }
    }

    // RFC 7240: what is not understood in Prefer is ignored.
    private static TimeSpan? WaitOf(HttpRequest request)
    {
        foreach (var preference in request.Headers.GetCommaSeparatedValues("Prefer"))
        {
            var parts = preference.Split('=', 2, StringSplitOptions.TrimEntries);
            if (
                parts is [var name, var value]
                && name.Equals("wait", StringComparison.OrdinalIgnoreCase)
                && int.TryParse(value.Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            )
            {
                return TimeSpan.FromSeconds(Math.Min(seconds, LongestWait));
            }
        }

        return null;
    }
}
