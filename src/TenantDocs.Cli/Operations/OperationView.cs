using TenantDocs.Catalog;
using TenantDocs.Operations;

namespace TenantDocs.Cli.Operations;

/// <summary>Shows operations, and waits for them.</summary>
internal static class OperationView
{
    /// <summary>An operation as JSON: the shape of the admin API.</summary>
    public static object Shape(Operation operation) =>
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
            operation.StartedAt,
            operation.FinishedAt,
            operation.Cancellable,
            operation.Result,
            operation.Problem,
        };

    public static void List(Terminal terminal, IEnumerable<Operation> operations) =>
        terminal.List(
            operations,
            Shape,
            new("ID", o => o.Id),
            new("TYPE", o => o.Type),
            new("TENANT", o => o.TenantSlug),
            new("STATUS", o => o.Status),
            new("PHASE", o => o.Phase),
            new("PROGRESS", o => Progress(o)),
            new("CREATED", o => o.CreatedAt)
        );

    public static void Show(Terminal terminal, Operation operation) =>
        terminal.Show(
            Shape(operation),
            ("id", operation.Id),
            ("type", operation.Type),
            ("tenant", operation.TenantSlug),
            ("status", operation.Status),
            ("phase", operation.Phase),
            ("phases", string.Join(" → ", operation.Phases)),
            ("progress", Progress(operation)),
            ("requested by", operation.RequestedBy),
            ("created", operation.CreatedAt),
            ("started", operation.StartedAt),
            ("finished", operation.FinishedAt),
            ("cancellable", operation.Cancellable),
            ("result", operation.Result?.GetRawText()),
            ("problem", Problem(operation))
        );

    /// <summary>Says each change on stderr, until the operation has ended.</summary>
    public static async Task<Operation> WatchAsync(
        Terminal terminal,
        OperationHistory history,
        Operation operation,
        CancellationToken cancellationToken
    )
    {
        var last = operation;
        var said = "";
        await foreach (var change in history.WatchAsync(operation, 0, cancellationToken))
        {
            last = change.Operation;
            var line = $"{last.Status.ToText()} {last.Phase} {Progress(last)}";
            if (line != said)
            {
                terminal.Say(said = line);
            }
        }

        return last;
    }

    /// <summary>Nothing when it ended as it was to; else words on what became of it.</summary>
    public static CommandException? Refusal(Operation operation, OperationStatus wanted = OperationStatus.Succeeded) =>
        operation.Status == wanted
            ? null
            : new CommandException(
                $"The operation {operation.Id} ended as {operation.Status.ToText()}: {Problem(operation) ?? "no reason given"} "
                    + $"See: tenantdocs operation show {operation.Id}"
            );

    private static string Progress(Operation operation) =>
        operation.Progress is { Total: > 0 } p
            ? $"{p.Done}/{p.Total} {p.Unit}"
            : $"{operation.Progress.Done} {operation.Progress.Unit}";

    private static string? Problem(Operation operation) =>
        operation.Problem is { } problem && problem.TryGetProperty("detail", out var detail)
            ? detail.GetString()
            : null;
}
