namespace TenantDocs.Api.Http;

/// <summary>For whom an endpoint is; every endpoint says so, one that does not is not served.</summary>
internal enum Audience
{
    /// <summary>Everybody; no credential is looked at.</summary>
    Public,

    /// <summary>Callers of one tenant: takes a <see cref="TenantRequest"/>.</summary>
    Tenant,

    /// <summary>The platform's staff: takes a <see cref="StaffRequest"/>.</summary>
    Staff,
}

/// <summary>What an endpoint asks of its callers.</summary>
internal static class AudienceExtensions
{
    /// <summary>Says for whom the endpoints are.</summary>
    public static TBuilder For<TBuilder>(this TBuilder builder, Audience audience)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new ForAudience(audience));

    /// <summary>Asks for a permission: checked before anything of the tenant's is looked at.</summary>
    public static TBuilder Require<TBuilder>(this TBuilder builder, Permission permission)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(permission);

    /// <summary>Asks for one permission where nothing is changed, and for another one where something is.</summary>
    public static TBuilder Require<TBuilder>(this TBuilder builder, Permission read, Permission change)
        where TBuilder : IEndpointConventionBuilder
    {
        builder.Add(endpoint =>
        {
            var methods = endpoint.Metadata.OfType<IHttpMethodMetadata>().Last().HttpMethods;
            endpoint.Metadata.Add(methods.All(HttpMethods.IsGet) ? read : change);
        });
        return builder;
    }

    /// <summary>Asks for no permission: it shows nothing but what every member of the tenant may know.</summary>
    public static TBuilder RequireNothing<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new ForEveryMember());

    /// <summary>Stays reachable while the tenant is suspended or offline.</summary>
    public static TBuilder AllowWhenSuspended<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new AllowedWhenSuspended());

    /// <summary>Makes HEAD work wherever GET does; the server leaves out the body.</summary>
    public static TBuilder WithHead<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder
    {
        builder.Finally(endpoint =>
        {
            for (var i = 0; i < endpoint.Metadata.Count; i++)
            {
                if (endpoint.Metadata[i] is HttpMethodMetadata { HttpMethods: ["GET"] })
                {
                    endpoint.Metadata[i] = new HttpMethodMetadata([HttpMethods.Get, HttpMethods.Head]);
                }
            }
        });
        return builder;
    }
}

/// <summary>For whom an endpoint is.</summary>
internal sealed record ForAudience(Audience Audience);

/// <summary>An endpoint that stays reachable while the tenant is suspended or offline.</summary>
internal sealed record AllowedWhenSuspended;

/// <summary>An endpoint that every member of the tenant may use, whatever the role and scopes.</summary>
internal sealed record ForEveryMember;
