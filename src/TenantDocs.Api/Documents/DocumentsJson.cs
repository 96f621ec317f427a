using System.Text.Json.Serialization;
using TenantDocs.Api.Http;

namespace TenantDocs.Api.Documents;

/// <summary>The contracts of this room's smaller answers, generated at build time.</summary>
[JsonSerializable(typeof(VersionPage))]
[JsonSerializable(typeof(DiffAnswer))]
[JsonSerializable(typeof(HitPage))]
[JsonSerializable(typeof(FeedPage))]
[JsonSerializable(typeof(TagPage))]
[JsonSerializable(typeof(UsageAnswer))]
internal sealed partial class DocumentsJson : JsonSerializerContext
{
    public static DocumentsJson Web { get; } = new(Json.NewOptions());
}
