using TenantDocs.Api.Http;
using TenantDocs.Catalog;
using TenantDocs.Provisioning;

namespace TenantDocs.Api.Provisioning;

/// <summary>API keys of tenants, as staff manages them.</summary>
internal static class TenantKeyEndpoints
{
    public static void MapTenantKeys(this IEndpointRouteBuilder tenants)
    {
        var keys = tenants.MapGroup("/{slug}/api-keys").Require(Permission.KeysManage);
        keys.MapPost("", PostAsync)
            .Named("createTenantKey", "Make an API key; it is shown this once")
            .Takes<KeyBody>()
            .Answers<KeyAnswer>(StatusCodes.Status201Created, "Location");
        keys.MapGet("", ListAsync)
            .Named("listTenantKeys", "List API keys in order of creation")
            .Query(QueryParameter.Limit, QueryParameter.Cursor)
            .Answers<Page<KeyAnswer>>();
        keys.MapGet("/{id}", GetAsync)
            .Named("getTenantKey", "Read an API key, without its secret")
            .Answers<KeyAnswer>();
        keys.MapDelete("/{id}", DeleteAsync).Named("revokeTenantKey", "Revoke a key").AnswersNothing();
    }

    private static async Task<IResult> PostAsync(
        StaffRequest staff,
        string slug,
        HttpContext context,
        TenantCatalog catalog,
        ApiKeys keys,
        TimeProvider time
    )
    {
        var read = await JsonBody.ReadAsync(context.Request, BodyForm.Json, context.RequestAborted);
        if (read.Error is { } error)
        {
            return Problems.Of(error);
        }

        using var body = read.Value;
        var name = body.RequiredText("name", 1, 200);
        body.RequiredText("role");
        var role = body.Choice<Role>("role");
        var scopes = body.Texts("scopes", 50, 1, 100);
        var expiresAt = body.Time("expiresAt");
        foreach (var scope in scopes ?? [])
        {
            if (!IsScope(scope))
            {
                body.Fault("scopes", $"There is no scope '{scope}'.");
            }
        }

        if (expiresAt <= time.GetUtcNow())
        {
            body.Fault("expiresAt", "Must be in the future.");
        }

        if (body.Finish() is { } faults)
        {
            return Problems.Of(faults);
        }

        if (await catalog.FindBySlugAsync(slug, context.RequestAborted) is not { } tenant)
        {
            return Problems.Of(TenantLifecycle.NoSuchTenant);
        }

        var (kept, key) = await keys.CreateAsync(
            tenant.Id,
            name,
            role!.Value.ToText(),
            scopes,
            expiresAt,
            staff.Caller.Actor,
            context.RequestAborted
        );
        return Json.Result(
            KeyAnswer.Of(kept) with
            {
                Key = key,
            },
            StatusCodes.Status201Created,
            location: $"{context.Request.PathBase}/admin/v1/tenants/{slug}/api-keys/{kept.Id}"
        );
    }

    private static async Task<IResult> ListAsync(
        StaffRequest _,
        string slug,
        HttpContext context,
        TenantCatalog catalog,
        ApiKeys keys,
        Cursors cursors
    )
    {
        var query = RequestQuery.Of(context.Request);
        var limit = query.Limit;
        if (query.Finish() is { } faults)
        {
            return Problems.Of(faults);
        }

        if (await catalog.FindBySlugAsync(slug, context.RequestAborted) is not { } tenant)
        {
            return Problems.Of(TenantLifecycle.NoSuchTenant);
        }

        var pages = new Pages(cursors, $"api-keys/{tenant.Id}", query);
        var after = await pages.ReadAsync(context.RequestAborted);
        if (after.Error is { } badCursor)
        {
            return Problems.Of(badCursor);
        }

        var rest = (await keys.ListAsync(tenant.Id, context.RequestAborted))
            .OrderBy(k => (k.CreatedAt, k.Id))
            .Where(k => after.Value is not { } position || (k.CreatedAt, k.Id).CompareTo(position) > 0);
        return await pages.AnswerAsync(
            [.. rest],
            limit,
            k => Pages.KeysOf(k.CreatedAt, k.Id),
            KeyAnswer.Of,
            context.RequestAborted
        );
    }

    private static async Task<IResult> GetAsync(
        StaffRequest _,
        string slug,
        string id,
        HttpContext context,
        TenantCatalog catalog,
        ApiKeys keys
    ) =>
        await catalog.FindBySlugAsync(slug, context.RequestAborted) is not { } tenant
            ? Problems.Of(TenantLifecycle.NoSuchTenant)
        : Guid.TryParseExact(id, "D", out var known)
        && (await keys.ListAsync(tenant.Id, context.RequestAborted)).FirstOrDefault(k => k.Id == known) is { } key
            ? Json.Result(KeyAnswer.Of(key))
        : Problems.Of(Error.NotFound);

    private static async Task<IResult> DeleteAsync(
        StaffRequest _,
        string slug,
        string id,
        HttpContext context,
        TenantCatalog catalog,
        ApiKeys keys
    ) =>
        await catalog.FindBySlugAsync(slug, context.RequestAborted) is not { } tenant
            ? Problems.Of(TenantLifecycle.NoSuchTenant)
        : Guid.TryParseExact(id, "D", out var known) && await keys.RevokeAsync(tenant.Id, known, context.RequestAborted)
            ? TypedResults.NoContent()
        : Problems.Of(Error.NotFound);

    private static bool IsScope(string scope) =>
        Permission.All.ContainsKey(scope)
        || Permission.All.Keys.Any(p => $"{p[..p.IndexOf(':', StringComparison.Ordinal)]}:*" == scope);

    /// <summary>A key to make.</summary>
    internal sealed record KeyBody(string Name, Role Role)
    {
        public IReadOnlyList<string>? Scopes { get; init; }
        public DateTimeOffset? ExpiresAt { get; init; }
    }

    private sealed record KeyAnswer(
        Guid Id,
        string Name,
        string Prefix,
        string Role,
        IReadOnlyList<string>? Scopes,
        DateTimeOffset CreatedAt,
        string CreatedBy,
        DateTimeOffset? ExpiresAt,
        DateTimeOffset? LastUsedAt,
        DateTimeOffset? RevokedAt
    )
    {
        /// <summary>Only in the answer that made it.</summary>
        [System.Text.Json.Serialization.JsonIgnore(
            Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull
        )]
        public string? Key { get; init; }

        public static KeyAnswer Of(ApiKey key) =>
            new(
                key.Id,
                key.Name,
                key.Prefix,
                key.Role,
                key.Scopes,
                key.CreatedAt,
                key.CreatedBy,
                key.ExpiresAt,
                key.LastUsedAt,
                key.RevokedAt
            );
    }
}
