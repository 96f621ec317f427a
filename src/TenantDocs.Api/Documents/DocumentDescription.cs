using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace TenantDocs.Api.Documents;

// Documents are read and written by hand; these say in what shape, for the description.

/// <summary>A document to create, or to put in another's place.</summary>
internal sealed record DocumentBody(string Title, string Body)
{
    public string? ContentType { get; init; }
    public string? Status { get; init; }
    public Guid? CollectionId { get; init; }
    public IReadOnlyList<string>? Tags { get; init; }
    public JsonObject? Metadata { get; init; }
}

/// <summary>What of a document shall change; null removes.</summary>
internal sealed record DocumentPatch
{
    public string? Title { get; init; }
    public string? Body { get; init; }
    public string? ContentType { get; init; }
    public string? Status { get; init; }
    public Guid? CollectionId { get; init; }
    public IReadOnlyList<string>? Tags { get; init; }
    public JsonObject? Metadata { get; init; }
}

/// <summary>A document.</summary>
internal sealed record DocumentAnswer(
    Guid Id,
    string Title,
    string ContentType,
    string Status,
    Guid? CollectionId,
    IReadOnlyList<string> Tags,
    JsonObject Metadata,
    long Version,
    DateTimeOffset CreatedAt,
    string CreatedBy,
    DateTimeOffset UpdatedAt,
    string UpdatedBy,
    DateTimeOffset? DeletedAt
)
{
    /// <summary>Absent in lists, unless asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Body { get; init; }

    /// <summary>Only in the trash: when it is removed for good.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? PurgeAt { get; init; }
}
