using TenantDocs.Api.Http;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

/// <summary><c>PUT /documents/{id}</c>: creates with <c>If-None-Match: *</c>, replaces with <c>If-Match</c>.</summary>
internal static class ReplaceDocument
{
    public static async Task<IResult> PutAsync(
        string id,
        TenantRequest request,
        HttpContext context,
        DocumentWrites writes,
        CancellationToken cancellationToken
    )
    {
        var creates = Creates(context.Request);
        if (creates.Error is { } contradictory)
        {
            return Problems.Of(contradictory);
        }

        if (!Guid.TryParseExact(id, "D", out var key) || key == Guid.Empty)
        {
            return Problems.Of(
                creates.Value ? Error.Invalid("id", "A UUID other than the empty one.") : Error.NotFound
            );
        }

        var read = await JsonBody.ReadAsync(context.Request, BodyForm.Json, writes.MaxRequestBytes, cancellationToken);
        if (read.Error is { } unreadable)
        {
            return Problems.Of(unreadable);
        }

        using var body = read.Value;
        var fields = DocumentFields.Parse(body.Root);
        var content = fields.Then(f => f.ToContent());
        if (content.Error is { } fault)
        {
            return Problems.Of(fault);
        }

        return creates.Value
            ? await CreateDocument.CreateAsync(
                request,
                context,
                writes,
                key,
                content.Value,
                body.Bytes,
                cancellationToken
            )
            : await ChangeDocument.ChangeAsync(
                request,
                context,
                writes,
                key,
                new DocumentChange.Replace(fields.Value),
                body.Bytes,
                cancellationToken
            );
    }

    private static Result<bool> Creates(HttpRequest request)
    {
        var noneMatch = Preconditions.IfNoneMatch(request);
        if (noneMatch.Error is { } malformed)
        {
            return malformed;
        }

        if (!noneMatch.Value.IsGiven)
        {
            return false;
        }

        return noneMatch.Value.IsAny && request.Headers.IfMatch.Count == 0
            ? true
            : Error.Invalid("If-None-Match", "Send either If-None-Match: * to create, or If-Match to replace.");
    }
}
