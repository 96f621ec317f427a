using TenantDocs.Api.Http;
using TenantDocs.Api.Operations;
using TenantDocs.Catalog;
using TenantDocs.Operations;
using TenantDocs.Provisioning;

namespace TenantDocs.Api.Provisioning;

/// <summary>Making, finding and changing tenants.</summary>
internal static class TenantEndpoints
{
    private const int LongestName = 200;

    private static readonly QueryParameter[] Filters =
    [
        QueryParameter.Limit,
        QueryParameter.Cursor,
        new("search", "Only those with this in slug or name."),
        QueryParameter.OneOf<IsolationModel>("isolation", "Only those of this model."),
        new("tier", "Only those of this tier."),
        QueryParameter.OneOf<TenantStatus>("status", "Only those in this state."),
        new("server", "Only those on this server."),
    ];

    public static IEndpointRouteBuilder MapTenants(this IEndpointRouteBuilder admin)
    {
        var tenants = admin
            .MapGroup("/tenants")
            .WithTags("Tenants")
            .Require(Permission.TenantsRead, Permission.TenantsManage);
        tenants
            .MapPost("", PostAsync)
            .Named("createTenant", "Make a tenant")
            .Takes<TenantBody>()
            .Reads(RequestHeader.Prefer)
            .Answers<TenantAnswer>(StatusCodes.Status201Created, "Location", "ETag")
            .Answers<OperationAnswer>(StatusCodes.Status202Accepted, "Location", "Retry-After");
        tenants
            .MapGet("", ListAsync)
            .Named("listTenants", "List tenants in order of creation")
            .Query(Filters)
            .Answers<Page<TenantAnswer>>();
        tenants.MapGet("/{slug}", GetAsync).Named("getTenantBySlug", "Read a tenant").AnswersTagged<TenantAnswer>();
        tenants
            .MapPatch("/{slug}", PatchAsync)
            .Named("patchTenant", "Change name or language; with another language the documents are indexed again")
            .Takes<TenantPatch>(BodyForm.MergePatch)
            .Reads(RequestHeader.IfMatch)
            .Answers<TenantAnswer>(StatusCodes.Status200OK, "ETag");
        tenants
            .MapPost("/{slug}/retry", RetryAsync)
            .Named("retryTenant", "Try again to make a tenant whose provisioning failed")
            .Reads(RequestHeader.Prefer)
            .Answers<TenantAnswer>(StatusCodes.Status201Created, "Location", "ETag")
            .Answers<OperationAnswer>(StatusCodes.Status202Accepted, "Location", "Retry-After");
        tenants.MapLifecycle();
        tenants.MapTenantKeys();
        return admin;
    }

    private static async Task<IResult> PostAsync(
        StaffRequest staff,
        HttpContext context,
        TenantProvisioning provisioning,
        TenantCatalog catalog,
        LongWork work
    )
    {
        var read = await ReadAsync(context);
        return read.Error is { } error
            ? Problems.Of(error)
            : await work.AnswerAsync(
                context,
                await provisioning.StartAsync(read.Value, staff.Caller.Actor, context.RequestAborted),
                operation => CreatedAsync(context, catalog, operation)
            );
    }

    private static async Task<IResult> RetryAsync(
        StaffRequest staff,
        string slug,
        HttpContext context,
        TenantProvisioning provisioning,
        TenantCatalog catalog,
        LongWork work
    ) =>
        await work.AnswerAsync(
            context,
            await provisioning.RetryAsync(slug, staff.Caller.Actor, context.RequestAborted),
            operation => CreatedAsync(context, catalog, operation)
        );

    private static async Task<IResult> CreatedAsync(HttpContext context, TenantCatalog catalog, Operation operation)
    {
        var tenant = await catalog.FindAsync(operation.Tenant!.Value, context.RequestAborted);
        return TenantAnswer.Result(
            tenant!,
            StatusCodes.Status201Created,
            $"{context.Request.PathBase}/admin/v1/tenants/{tenant!.Slug}"
        );
    }

    private static async Task<Result<NewTenant>> ReadAsync(HttpContext context)
    {
        var read = await JsonBody.ReadAsync(context.Request, BodyForm.Json, context.RequestAborted);
        if (read.Error is { } error)
        {
            return error;
        }

        using var body = read.Value;
        var text = body.RequiredText("slug");
        var isReserved = TenantSlug.IsReservedName(text);
        if (!TenantSlug.TryParse(text, out var slug) && text.Length > 0 && !isReserved)
        {
            body.Fault("slug", "3 to 40 of a–z, 0–9 and -, beginning with a letter and not ending with -.");
        }

        var request = new NewTenant(slug, body.RequiredText("name", 1, LongestName))
        {
            Tier = body.Text("tier", 1, 100),
            Isolation = body.Choice<IsolationModel>("isolation"),
            Server = body.Text("server", 1, 100),
            Region = body.Text("region", 1, 100),
            Language = LanguageOf(body) ?? "english",
        };
        return body.Finish() is { } faults ? faults
            : isReserved
                ? new Error(
                    ErrorKind.Conflict,
                    "duplicate",
                    "This slug is reserved for the platform. Choose another one."
                )
            : request;
    }

    private static async Task<IResult> ListAsync(
        StaffRequest _,
        HttpContext context,
        TenantCatalog catalog,
        Cursors cursors
    )
    {
        var query = RequestQuery.Of(context.Request);
        var limit = query.Limit;
        var filter = new TenantFilter
        {
            Search = query.Text("search"),
            Isolation = query.Choice<IsolationModel>("isolation"),
            Tier = query.Text("tier"),
            Status = query.Choice<TenantStatus>("status"),
            Server = query.Text("server"),
            Limit = limit + 1,
        };
        if (query.Finish() is { } faults)
        {
            return Problems.Of(faults);
        }

        var pages = new Pages(cursors, "tenants", query);
        var after = await pages.ReadAsync(context.RequestAborted);
        if (after.Error is { } badCursor)
        {
            return Problems.Of(badCursor);
        }

        var found = await catalog.ListAsync(filter with { After = after.Value }, context.RequestAborted);
        return await pages.AnswerAsync(
            found,
            limit,
            t => Pages.KeysOf(t.CreatedAt, t.Id.Value),
            TenantAnswer.Of,
            context.RequestAborted
        );
    }

    private static async Task<IResult> GetAsync(
        StaffRequest _,
        string slug,
        HttpContext context,
        TenantCatalog catalog
    ) =>
        await catalog.FindBySlugAsync(slug, context.RequestAborted) is not { } tenant
            ? Problems.Of(TenantLifecycle.NoSuchTenant)
        // An operation comes into the answer without a new version; it goes with one (OperationLease).
        : tenant.ActiveOperation is null && Preconditions.IsNotModified(context.Request, tenant.Version)
            ? Preconditions.NotModified(tenant.Version)
        : TenantAnswer.Result(tenant);

    private static async Task<IResult> PatchAsync(
        StaffRequest staff,
        string slug,
        HttpContext context,
        TenantCatalog catalog,
        TenantLifecycle lifecycle
    )
    {
        var read = await JsonBody.ReadAsync(context.Request, BodyForm.MergePatch, context.RequestAborted);
        if (read.Error is { } error)
        {
            return Problems.Of(error);
        }

        using var body = read.Value;
        body.ReadOnly(
            "id",
            "slug",
            "tier",
            "status",
            "accessMode",
            "placement",
            "schemaVersion",
            "createdAt",
            "activeOperation",
            "region",
            "suspendReason",
            "purgeAt"
        );
        var name = body.Has("name") ? body.RequiredText("name", 1, LongestName) : null;
        var language = LanguageOf(body);
        if (body.Finish() is { } faults)
        {
            return Problems.Of(faults);
        }

        var tags = Preconditions.RequireIfMatch(context.Request);
        if (tags.Error is { } required)
        {
            return Problems.Of(required);
        }

        if (await catalog.FindBySlugAsync(slug, context.RequestAborted) is not { } tenant)
        {
            return Problems.Of(TenantLifecycle.NoSuchTenant);
        }

        if (!tags.Value.Match(tenant.Version))
        {
            return Problems.Of(Preconditions.Failed(tenant.Version));
        }

        var changed = await lifecycle.DescribeAsync(tenant, name, language, staff.Caller.Actor, context.RequestAborted);
        return changed is not null
            ? TenantAnswer.Result(changed)
            : Problems.Of(
                await catalog.FindBySlugAsync(slug, context.RequestAborted) is { } newer
                    ? Preconditions.Failed(newer.Version)
                    : TenantLifecycle.NoSuchTenant
            );
    }

    private static string? LanguageOf(JsonBody body)
    {
        var language = body.Text("language", 1, 40);
        if (language is not null && !TextLanguages.Contains(language))
        {
            body.Fault("language", $"One of: {string.Join(", ", TextLanguages.All)}.");
        }

        return language;
    }

    /// <summary>A tenant to make. The tier brings the isolation unless that is said too.</summary>
    internal sealed record TenantBody(string Slug, string Name)
    {
        public string? Tier { get; init; }
        public IsolationModel? Isolation { get; init; }
        public string? Server { get; init; }
        public string? Region { get; init; }
        public string? Language { get; init; }
    }

    /// <summary>What can be changed of a tenant; the rest is read-only or has operations of its own.</summary>
    internal sealed record TenantPatch
    {
        public string? Name { get; init; }
        public string? Language { get; init; }
    }
}
