using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using TenantDocs.Api.Documents;
using TenantDocs.Catalog;
using TenantDocs.Documents;

namespace TenantDocs.Api.Http;

/// <summary>Wires the room into the host.</summary>
internal static class HttpSetup
{
    // Above the largest body that is read: what is too large is still received for a while and thrown away, so that the
    // client gets to read the refusal instead of a broken connection.
    private const int KestrelBodies = 2;
    private const int KestrelHeads = 4;

    public static IServiceCollection AddHttp(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddOptions<HttpOptions>().BindConfiguration("Http").ValidateDataAnnotations().ValidateOnStart();
        services.AddOptions<TenancyOptions>().BindConfiguration("Tenancy");
        services
            .AddOptions<KestrelServerOptions>()
            .Configure<IOptions<HttpOptions>, IOptions<DocumentsOptions>>(
                (kestrel, http, documents) => Limit(kestrel, http.Value, documents.Value)
            );
        services.Configure<JsonOptions>(options => Json.Apply(options.SerializerOptions));
        services.AddJwtIssuers(configuration);
        services.AddSingleton<Credentials>();
        services.AddSingleton<TenantLimits>();
        services.AddSingleton(provider => new Cursors(cancellation =>
            provider.GetRequiredService<CatalogSettings>().SecretAsync(Cursors.SecretName, cancellation)
        ));
        services.AddApiDescriptions();
        return services;
    }

    public static WebApplication UseHttp(this WebApplication app)
    {
        // Admission proves credentials; without these the host would add the framework's own, once more for each request.
        ((IApplicationBuilder)app).Properties["__AuthenticationMiddlewareSet"] = true;
        ((IApplicationBuilder)app).Properties["__AuthorizationMiddlewareSet"] = true;
        app.UseMiddleware<ProblemMiddleware>();
        app.UseMiddleware<TenantChoiceMiddleware>();
        app.UseApiPage();
        app.UseRouting();
        app.UseMiddleware<Admission>();
        return app;
    }

    public static WebApplication MapHttp(this WebApplication app)
    {
        app.MapHealth();
        app.MapProblemPages();
        app.MapApiDescriptions();
        return app;
    }

    /// <summary>The group of the tenant API: its handlers take a <see cref="TenantRequest"/>.</summary>
    public static RouteGroupBuilder MapTenantApi(this IEndpointRouteBuilder endpoints)
    {
        var group = endpoints.MapGroup("/v1").For(Audience.Tenant).WithHead().WithGroupName(ApiDescriptions.Tenant);
        group.MapWho();
        return group;
    }

    /// <summary>The group of the admin API: its handlers take a <see cref="StaffRequest"/>.</summary>
    public static RouteGroupBuilder MapAdminApi(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapGroup("/admin/v1").For(Audience.Staff).WithHead().WithGroupName(ApiDescriptions.Admin);

    private static void Limit(KestrelServerOptions kestrel, HttpOptions http, DocumentsOptions documents)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize =
            (long)Math.Max(http.MaxBodyBytes, DocumentWrites.MaxRequestBytesOf(documents)) * KestrelBodies;
        // Kestrel refuses without a body; what it lets through is judged by RequestSize, with a problem.
        kestrel.Limits.MaxRequestHeadersTotalSize = RequestSize.MostHeaderBytes * KestrelHeads;
        kestrel.Limits.MaxRequestHeaderCount = RequestSize.MostHeaders * KestrelHeads;
        kestrel.Limits.MaxRequestLineSize = RequestSize.MostLineBytes * KestrelHeads;
        kestrel.Limits.MaxRequestBufferSize = Math.Max(
            kestrel.Limits.MaxRequestBufferSize ?? 0,
            kestrel.Limits.MaxRequestLineSize + kestrel.Limits.MaxRequestHeadersTotalSize
        );
        kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
    }
}
