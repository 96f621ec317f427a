using System.Globalization;
using TenantDocs.Api.Http;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

/// <summary>The changes of a document that exists: patch, trash, restore, purge, restore of a version.</summary>
internal static class ChangeDocument
{
    public static async Task<IResult> PatchAsync(
        string id,
        TenantRequest request,
        HttpContext context,
        DocumentWrites writes,
        CancellationToken cancellationToken
    )
    {
        var read = await JsonBody.ReadAsync(
            context.Request,
            BodyForm.MergePatch,
            writes.MaxRequestBytes,
            cancellationToken
        );
        if (read.Error is { } unreadable)
        {
            return Problems.Of(unreadable);
        }

        using var body = read.Value;
        var fields = DocumentFields.Parse(body.Root);
        if (fields.Error is { } fault)
        {
            return Problems.Of(fault);
        }

        return Guid.TryParseExact(id, "D", out var key)
            ? await ChangeAsync(
                request,
                context,
                writes,
                key,
                new DocumentChange.Patch(fields.Value),
                body.Bytes,
                cancellationToken
            )
            : Problems.Of(Error.NotFound);
    }

    public static Task<IResult> DeleteAsync(
        string id,
        TenantRequest request,
        HttpContext context,
        DocumentWrites writes,
        CancellationToken cancellationToken
    ) => ChangeAsync(id, request, context, writes, new DocumentChange.Delete(), cancellationToken);

    public static Task<IResult> RestoreAsync(
        string id,
        TenantRequest request,
        HttpContext context,
        DocumentWrites writes,
        CancellationToken cancellationToken
    ) => ChangeAsync(id, request, context, writes, new DocumentChange.Restore(), cancellationToken);

    public static Task<IResult> PurgeAsync(
        string id,
        TenantRequest request,
        HttpContext context,
        DocumentWrites writes,
        CancellationToken cancellationToken
    ) => ChangeAsync(id, request, context, writes, new DocumentChange.Purge(), cancellationToken);

    public static Task<IResult> RestoreVersionAsync(
        string id,
        string n,
        TenantRequest request,
        HttpContext context,
        DocumentWrites writes,
        CancellationToken cancellationToken
    ) =>
        ChangeAsync(
            id,
            request,
            context,
            writes,
            long.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out var version)
                ? new DocumentChange.RestoreVersion(version)
                : null,
            cancellationToken
        );

    /// <summary>Sends a change whose request was read.</summary>
    public static async Task<IResult> ChangeAsync(
        TenantRequest request,
        HttpContext context,
        DocumentWrites writes,
        Guid id,
        DocumentChange change,
        ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken
    )
    {
        var leavesNothing = change is DocumentChange.Purge;
        var write = writes.Read(
            request,
            context,
            body,
            leavesNothing ? _ => new StoredAnswer(StatusCodes.Status204NoContent, null, null, null) : writes.Shows(200)
        );
        if (write.Error is { } error)
        {
            return Problems.Of(error);
        }

        var outcome = await writes.Repository.ChangeAsync(request.Tenant, id, change, write.Value, cancellationToken);
        return leavesNothing ? DocumentWrites.AnswerNothing(context, outcome) : writes.Answer(context, outcome);
    }

    /// <summary>A change that has no fields; a null change is one that no document can have.</summary>
    private static async Task<IResult> ChangeAsync(
        string id,
        TenantRequest request,
        HttpContext context,
        DocumentWrites writes,
        DocumentChange? change,
        CancellationToken cancellationToken
    )
    {
        var read = await JsonBody.ReadAsync(context.Request, BodyForm.JsonOrEmpty, cancellationToken);
        if (read.Error is { } unreadable)
        {
            return Problems.Of(unreadable);
        }

        using var body = read.Value;
        if (body.Finish() is { } fault)
        {
            return Problems.Of(fault);
        }

        return Guid.TryParseExact(id, "D", out var key) && change is not null
            ? await ChangeAsync(request, context, writes, key, change, body.Bytes, cancellationToken)
            : Problems.Of(Error.NotFound);
    }
}
