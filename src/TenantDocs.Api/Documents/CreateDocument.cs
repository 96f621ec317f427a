using TenantDocs.Api.Http;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

/// <summary><c>POST /documents</c>.</summary>
internal static class CreateDocument
{
    public static async Task<IResult> PostAsync(
        TenantRequest request,
        HttpContext context,
        DocumentWrites writes,
        CancellationToken cancellationToken
    )
    {
        var read = await JsonBody.ReadAsync(context.Request, BodyForm.Json, writes.MaxRequestBytes, cancellationToken);
        if (read.Error is { } unreadable)
        {
            return Problems.Of(unreadable);
        }

        using var body = read.Value;
        var content = DocumentFields.Parse(body.Root).Then(fields => fields.ToContent());
        return content.Error is { } fault
            ? Problems.Of(fault)
            : await CreateAsync(request, context, writes, null, content.Value, body.Bytes, cancellationToken);
    }

    /// <summary>Creates, with the client's id when there is one.</summary>
    public static async Task<IResult> CreateAsync(
        TenantRequest request,
        HttpContext context,
        DocumentWrites writes,
        Guid? id,
        DocumentContent content,
        ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken
    )
    {
        const int Created = StatusCodes.Status201Created;
        var write = writes.Read(request, context, body, writes.Shows(Created, DocumentWrites.PathOf));
        if (write.Error is { } error)
        {
            return Problems.Of(error);
        }

        var outcome = await writes.Repository.CreateAsync(request.Tenant, id, content, write.Value, cancellationToken);
        return writes.Answer(context, outcome, Created, DocumentWrites.PathOf);
    }
}
