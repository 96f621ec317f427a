using Microsoft.AspNetCore.Http;
using TenantDocs.Api.Documents;
using TenantDocs.Documents;

namespace TenantDocs.Benchmarks.Hosts;

/// <summary>The product's JSON, for the floor and the peers too: what is compared is the way to the rows.</summary>
internal static class Answers
{
    private static readonly TimeSpan Retention = TimeSpan.FromDays(30);

    public static IResult Of(Document document) => DocumentJson.Result(document, Retention);

    public static IResult Created(Document document) =>
        DocumentJson.Result(document, Retention, StatusCodes.Status201Created, $"/documents/{document.Id}");

    /// <summary>One row more than the limit was asked for; it says that there is a next page.</summary>
    public static IResult Page(IReadOnlyList<Document> rows, int limit)
    {
        var items = rows.Count > limit ? rows.Take(limit).ToList() : rows;
        var next = rows.Count > limit ? Convert.ToBase64String(items[^1].Id.ToByteArray()) : null;
        return DocumentJson.Page(items, next, Retention);
    }
}
