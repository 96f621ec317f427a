using TenantDocs.Api.Http;
using TenantDocs.Api.Operations;
using TenantDocs.Catalog;
using TenantDocs.Provisioning;

namespace TenantDocs.Api.Provisioning;

/// <summary>Changing a tenant's condition.</summary>
internal static class LifecycleEndpoints
{
    private const string ConfirmHeader = "X-Confirm";

    public static void MapLifecycle(this IEndpointRouteBuilder tenants)
    {
        tenants
            .MapPost("/{slug}/suspend", SuspendAsync)
            .Named("suspendTenant", "Suspend a tenant")
            .Takes<SuspendBody>()
            .Answers<TenantAnswer>(StatusCodes.Status200OK, "ETag");
        tenants
            .MapPost("/{slug}/resume", ResumeAsync)
            .Named("resumeTenant", "End a suspension")
            .Answers<TenantAnswer>(StatusCodes.Status200OK, "ETag");
        tenants
            .MapPut("/{slug}/access-mode", PutAccessModeAsync)
            .Named("setAccessMode", "Say what the tenant's people may do")
            .Takes<AccessModeBody>()
            .Answers<TenantAnswer>(StatusCodes.Status200OK, "ETag");
        tenants
            .MapDelete("/{slug}", DeleteAsync)
            .Named("deleteTenant", "Delete a tenant; its data is kept until purgeAt (X-Confirm: its slug)")
            .Reads(
                new RequestHeader(ConfirmHeader, "The tenant's slug, to say that you mean this one.")
                {
                    IsRequired = true,
                }
            )
            .Answers<TenantAnswer>(StatusCodes.Status200OK, "ETag");
        tenants
            .MapPost("/{slug}/undelete", UndeleteAsync)
            .Named("undeleteTenant", "Undo a deletion")
            .Answers<TenantAnswer>(StatusCodes.Status200OK, "ETag");
        tenants
            .MapPost("/{slug}/purge", PurgeAsync)
            .Named("purgeTenant", "Remove a deleted tenant's data for good; the result is a certificate")
            .Reads(RequestHeader.Prefer)
            .Answers<OperationAnswer>()
            .Answers<OperationAnswer>(StatusCodes.Status202Accepted, "Location", "Retry-After");
    }

    private static async Task<IResult> SuspendAsync(
        StaffRequest _,
        string slug,
        HttpContext context,
        TenantLifecycle lifecycle
    )
    {
        var read = await JsonBody.ReadAsync(context.Request, BodyForm.Json, context.RequestAborted);
        if (read.Error is { } error)
        {
            return Problems.Of(error);
        }

        using var body = read.Value;
        var reason = body.RequiredText("reason", 1, 1000);
        return body.Finish() is { } faults
            ? Problems.Of(faults)
            : Answer(await lifecycle.SuspendAsync(slug, reason, context.RequestAborted));
    }

    private static async Task<IResult> ResumeAsync(
        StaffRequest _,
        string slug,
        HttpContext context,
        TenantLifecycle lifecycle
    ) => Answer(await lifecycle.ResumeAsync(slug, context.RequestAborted));

    private static async Task<IResult> PutAccessModeAsync(
        StaffRequest _,
        string slug,
        HttpContext context,
        TenantLifecycle lifecycle
    )
    {
        var read = await JsonBody.ReadAsync(context.Request, BodyForm.Json, context.RequestAborted);
        if (read.Error is { } error)
        {
            return Problems.Of(error);
        }

        using var body = read.Value;
        body.RequiredText("mode");
        var mode = body.Choice<AccessMode>("mode");
        return body.Finish() is { } faults
            ? Problems.Of(faults)
            : Answer(await lifecycle.SetAccessModeAsync(slug, mode!.Value, context.RequestAborted));
    }

    private static async Task<IResult> DeleteAsync(
        StaffRequest _,
        string slug,
        HttpContext context,
        TenantCatalog catalog,
        TenantLifecycle lifecycle
    )
    {
        if (await catalog.FindBySlugAsync(slug, context.RequestAborted) is null)
        {
            return Problems.Of(TenantLifecycle.NoSuchTenant);
        }

        return context.Request.Headers[ConfirmHeader] is [var confirmed] && confirmed == slug
            ? Answer(await lifecycle.DeleteAsync(slug, context.RequestAborted))
            : Problems.Of(
                Error.Invalid(ConfirmHeader, "Send the tenant's slug in this header, to say that you mean this one.")
            );
    }

    private static async Task<IResult> UndeleteAsync(
        StaffRequest _,
        string slug,
        HttpContext context,
        TenantLifecycle lifecycle
    ) => Answer(await lifecycle.UndeleteAsync(slug, context.RequestAborted));

    private static async Task<IResult> PurgeAsync(
        StaffRequest staff,
        string slug,
        HttpContext context,
        TenantLifecycle lifecycle,
        LongWork work
    ) => await work.AnswerAsync(context, await lifecycle.PurgeAsync(slug, staff.Caller.Actor, context.RequestAborted));

    private static IResult Answer(Result<Tenant> changed) => changed.ToResult(t => TenantAnswer.Result(t));

    /// <summary>Why a tenant is suspended; its people see it.</summary>
    internal sealed record SuspendBody(string Reason);

    /// <summary>What a tenant's people may do.</summary>
    internal sealed record AccessModeBody(AccessMode Mode);
}
