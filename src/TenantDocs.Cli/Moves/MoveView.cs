using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;
using TenantDocs.Catalog;
using TenantDocs.Cli.Operations;
using TenantDocs.Operations;

namespace TenantDocs.Cli.Moves;

/// <summary>A move on the terminal: live bars where there is one, a line per change elsewhere.</summary>
internal static class MoveView
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(300);

    /// <summary>Shows it as it is now.</summary>
    public static void Write(Invocation run, Operation operation) =>
        run.Terminal.Show(
            Shape(operation),
            ("operation", operation.Id),
            ("type", operation.Type),
            ("tenant", operation.TenantSlug),
            ("status", operation.Status),
            ("phase", operation.Phase),
            ("progress", $"{operation.Progress.Done} of {operation.Progress.Total} {operation.Progress.Unit}"),
            ("lag", Number(operation, "lagMs") is { } lag ? $"{lag} ms" : null),
            ("rate", Number(operation, "bytesPerSecond") is { } rate ? $"{rate / 1e6:0.0} MB/s" : null),
            ("result", operation.Result?.GetRawText()),
            ("problem", operation.Problem?.GetRawText())
        );

    /// <summary>Follows it to its end, which is what was asked for unless this throws.</summary>
    /// <exception cref="CommandException">It ended otherwise, or not in time.</exception>
    public static async Task FollowAsync(
        Invocation run,
        IServiceProvider platform,
        Operation operation,
        TimeSpan atMost,
        CancellationToken cancellationToken,
        OperationStatus wanted = OperationStatus.Succeeded
    )
    {
        var requests = platform.GetRequiredService<OperationRequests>();
        var time = platform.GetRequiredService<TimeProvider>();
        var started = time.GetTimestamp();
        async Task<Operation> NextAsync(Operation last)
        {
            await Task.Delay(Interval, time, cancellationToken);
            return await requests.FindAsync(last.Id, cancellationToken) ?? last;
        }

        bool Goes(Operation now) => !now.IsFinished && time.GetElapsedTime(started) < atMost;
        if (run.Terminal.IsErrorTerminal)
        {
            await run
                .Terminal.Progress.Progress()
                .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn())
                .StartAsync(async bars =>
                {
                    var shown = new Dictionary<string, ProgressTask>(StringComparer.Ordinal);
                    while (Goes(operation))
                    {
                        operation = await NextAsync(operation);
                        Draw(bars, shown, operation);
                    }
                });
        }
        else
        {
            var said = "";
            while (Goes(operation))
            {
                var word = $"{operation.Phase} {operation.Status}";
                if (word != said)
                {
                    run.Terminal.Say(Line(operation));
                    said = word;
                }

                operation = await NextAsync(operation);
            }
        }

        Write(run, operation);
        if (!operation.IsFinished)
        {
            throw new CommandException(
                $"It has not ended within {atMost.TotalSeconds:0} s: it is {operation.Status.ToText()} in the phase "
                    + $"'{operation.Phase}' and goes on. See: tenantdocs move wait {operation.Id}"
            );
        }

        if (OperationView.Refusal(operation, wanted) is { } refusal)
        {
            throw refusal;
        }
    }

    private static void Draw(ProgressContext bars, Dictionary<string, ProgressTask> shown, Operation operation)
    {
        ProgressTask Bar(string key, double max)
        {
            if (!shown.TryGetValue(key, out var bar))
            {
                bar = bars.AddTask(key, maxValue: Math.Max(1, max));
                shown.Add(key, bar);
            }

            bar.MaxValue = Math.Max(1, max);
            return bar;
        }

        var phases = operation.Phases.ToList();
        var phase = Bar("move", phases.Count);
        phase.Value = operation.IsFinished ? phases.Count : Math.Max(0, phases.IndexOf(operation.Phase ?? ""));
        phase.Description = Markup.Escape(Line(operation));
        foreach (var table in Tables(operation))
        {
            var rows = table.GetProperty("rows").GetInt64();
            var bar = Bar(table.GetProperty("name").GetString()!, table.GetProperty("rowsExpected").GetInt64());
            bar.Value = table.GetProperty("finished").GetBoolean() ? bar.MaxValue : rows;
            bar.Description = $"  {table.GetProperty("name").GetString()} {rows:n0} rows";
        }
    }

    private static string Line(Operation operation)
    {
        var parts = new List<string> { $"{operation.TenantSlug}: {operation.Phase}" };
        if (operation.Status is OperationStatus.Waiting)
        {
            parts.Add("waiting");
        }

        if (Number(operation, "bytesPerSecond") is { } rate && operation.Phase == "copying")
        {
            parts.Add($"{rate / 1e6:0.0} MB/s");
            parts.Add(Number(operation, "secondsLeft") is { } left ? $"{left:0} s left" : "");
        }

        if (Number(operation, "lagMs") is { } lag)
        {
            parts.Add($"lag {lag:0.#} ms");
        }

        if (Number(operation, "pauseUsedMs") is { } used)
        {
            parts.Add($"pause {used:0.#} of {Number(operation, "pauseBudgetMs"):0} ms");
        }

        return string.Join(", ", parts.Where(p => p.Length > 0));
    }

    private static object Shape(Operation operation) =>
        new
        {
            operation.Id,
            operation.Type,
            Tenant = operation.TenantSlug,
            operation.Status,
            operation.Phase,
            operation.Phases,
            operation.Progress,
            operation.CreatedAt,
            operation.FinishedAt,
            operation.Cancellable,
            operation.Result,
            operation.Problem,
            Details = Details(operation),
        };

    private static JsonElement? Details(Operation operation) =>
        operation.State.TryGetProperty("details", out var details) ? details : null;

    private static double? Number(Operation operation, string name) =>
        Details(operation) is { } details && details.TryGetProperty(name, out var value) ? value.GetDouble() : null;

    private static JsonElement.ArrayEnumerator Tables(Operation operation) =>
        Details(operation) is { } details && details.TryGetProperty("tables", out var tables)
            ? tables.EnumerateArray()
            : default;
}
