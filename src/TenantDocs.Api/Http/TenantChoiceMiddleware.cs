using Microsoft.Extensions.Options;

namespace TenantDocs.Api.Http;

/// <summary>The names of tenants in a request, for <see cref="Admission"/>; absent when it carries none.</summary>
internal sealed record ChosenTenant(TenantChoice Choice);

/// <summary>
/// Gathers the names of tenants in a request before routing, and takes <c>/t/{slug}</c> off the path, so that there is one
/// table of routes. The prefix moves to the path base: links in answers keep it.
/// </summary>
internal sealed class TenantChoiceMiddleware(RequestDelegate next, IOptions<TenancyOptions> options)
{
    private readonly string? _baseDomain = options.Value.BaseDomain;

    public Task InvokeAsync(HttpContext context)
    {
        var request = context.Request;
        var host = _baseDomain is null ? null : TenantChoice.FromHost(request.Host.Host, _baseDomain);
        string? path = null;
        if (TenantChoice.TrySplitPath(request.Path, out var slug, out var rest))
        {
            path = slug;
            request.PathBase = request.PathBase.Add(new PathString($"/t/{slug}"));
            request.Path = rest;
        }

        var header = request.Headers[TenantChoice.HeaderName];
        if (host is not null || path is not null || header.Count > 0)
        {
            context.Features.Set(new ChosenTenant(new TenantChoice(host, path, header)));
        }

        return next(context);
    }
}
