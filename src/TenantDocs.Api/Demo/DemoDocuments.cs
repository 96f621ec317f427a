using TenantDocs.Documents;

namespace TenantDocs.Api.Demo;

/// <summary>What a demo tenant holds at first.</summary>
internal static class DemoDocuments
{
    public static IReadOnlyList<(string Title, string Body, string[] Tags)> All { get; } =
    [
        (
            "Welcome",
            """
            # Welcome

            This tenant lives in a shared table, in a schema or in a database of its own; through the API you cannot tell
            which. Try `GET /v1/search?q=isolation`, or change this text with `PATCH` and the `ETag` that you were given.
            """,
            ["guide"]
        ),
        (
            "Isolation in one page",
            """
            # Isolation in one page

            Every table carries `tenant_id`, row-level security is enabled and forced, and every transaction starts with a
            gate function that admits the tenant at its current epoch. Forget any of the three and the answer is nothing.
            """,
            ["guide", "isolation"]
        ),
        (
            "Meeting notes",
            """
            - Every change makes a version: `GET /v1/documents/{id}/versions`.
            - What was deleted waits in the trash for thirty days: `GET /v1/documents?trashed=true`.
            - `GET /v1/changes?after=0` tells what happened, without gaps.
            """,
            ["notes"]
        ),
    ];

    public static DocumentContent Content(string title, string body, string[] tags) =>
        new()
        {
            Title = title,
            Body = body,
            Tags = tags,
            Status = "published",
        };
}
