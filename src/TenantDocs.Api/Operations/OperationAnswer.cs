using System.Text.Json;
using System.Text.Json.Serialization;
using TenantDocs.Api.Http;
using TenantDocs.Operations;

namespace TenantDocs.Api.Operations;

/// <summary>An operation as clients see it.</summary>
internal sealed record OperationAnswer(
    Guid Id,
    string Type,
    string? Tenant,
    OperationStatus Status,
    string? Phase,
    IReadOnlyList<string> Phases,
    OperationProgress Progress,
    DateTimeOffset CreatedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? FinishedAt,
    bool Cancellable,
    JsonElement? Result,
    JsonElement? Problem,
    JsonElement? Details,
    IReadOnlyDictionary<string, string> Links
)
{
    [JsonIgnore]
    public string Location => Links["self"];

    public static OperationAnswer Of(Operation operation) =>
        new(
            operation.Id,
            operation.Type,
            operation.TenantSlug,
            operation.Status,
            operation.Phase,
            operation.Phases,
            operation.Progress,
            operation.CreatedAt,
            operation.StartedAt,
            operation.FinishedAt,
            operation.Cancellable,
            operation.Result,
            operation.Problem is { } problem ? Described(problem) : null,
            operation.Details,
            LinksOf(operation)
        );

    private static Dictionary<string, string> LinksOf(Operation operation)
    {
        var self = $"/admin/v1/operations/{operation.Id}";
        var links = new Dictionary<string, string> { ["self"] = self, ["events"] = $"{self}/events" };
        if (operation.Cancellable)
        {
            links["cancel"] = $"{self}/cancel";
        }

        // What can still be done about it when it has ended, a move's rollback for one, is a part of its result.
        if (operation.Result is { } result && result.TryGetProperty("links", out var more))
        {
            foreach (var link in more.EnumerateObject())
            {
                links[link.Name] = link.Value.GetString()!;
            }
        }

        return links;
    }

    // Kept as code and words; clients get the form that all problems have.
    private static JsonElement Described(JsonElement problem) =>
        Problems.ToElement(
            new Error(
                ErrorKind.Unavailable,
                problem.GetProperty("code").GetString()!,
                problem.GetProperty("detail").GetString()!
            )
            {
                Extensions = problem
                    .EnumerateObject()
                    .Where(m => m.Name is not ("code" or "detail"))
                    .ToDictionary(m => m.Name, m => (object?)m.Value),
            }
        );
}
