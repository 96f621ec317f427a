using System.Text.Json;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace TenantDocs.Api.Http;

/// <summary>The two OpenAPI 3.1 documents, one per API, and the page to try them.</summary>
internal static class ApiDescriptions
{
    public const string Tenant = "tenant";
    public const string Admin = "admin";
    public const string Problem = "Problem";
    private const string SchemeName = "bearer";

    public static void AddApiDescriptions(this IServiceCollection services)
    {
        services.AddOpenApi(
            Tenant,
            options =>
                Describe(
                    options,
                    "TenantDocs tenant API",
                    "Documents of one tenant; the credential names it. A request that is not HTTP (a NUL in its address, a malformed "
                        + "line) is refused by the server itself, with 400 and no body."
                )
        );
        services.AddOpenApi(
            Admin,
            options => Describe(options, "TenantDocs admin API", "Tenants, servers and operations; staff only.")
        );
    }

    public static void MapApiDescriptions(this IEndpointRouteBuilder endpoints) =>
        // The framework's own answer to another name is not a problem document, so no other name comes to it.
        endpoints
            .MapOpenApi($"/openapi/{{documentName:regex(^({Tenant}|{Admin})$)}}.json")
            .For(Audience.Public)
            .WithHead()
            .ExcludeFromDescription();

    public static void UseApiPage(this IApplicationBuilder app)
    {
        app.UseWhen(
            context => context.Request.Path.StartsWithSegments("/docs", StringComparison.Ordinal),
            docs =>
            {
                docs.Use(
                    (context, next) =>
                    {
                        SecurityHeaders.Set(context.Response, allowsOwnScripts: true);
                        return next(context);
                    }
                );
                docs.UseSwaggerUI(page =>
                {
                    page.RoutePrefix = "docs";
                    page.DocumentTitle = "TenantDocs API";
                    page.SwaggerEndpoint($"/openapi/{Tenant}.json", "Tenant API");
                    page.SwaggerEndpoint($"/openapi/{Admin}.json", "Admin API");
                });
            }
        );
    }

    private static void Describe(OpenApiOptions options, string title, string description)
    {
        options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        options.AddDocumentTransformer(
            (document, _, _) =>
            {
                document.Info = new OpenApiInfo
                {
                    Title = title,
                    Description = description,
                    Version = "1",
                };
                // The address is the one that the document came from, whatever proxy stands before the host.
                document.Servers = [];
                AddSecurity(document);
                RemoveHead(document);
                return Task.CompletedTask;
            }
        );
        options.AddOperationTransformer(OperationDescriptions.DescribeAsync);
        options.AddSchemaTransformer(
            (schema, context, _) =>
            {
                var type = context.JsonTypeInfo.Type;
                schema.Type = type switch
                {
                    // Our own converter writes times, which hides from the framework that they are text.
                    _ when type == typeof(DateTimeOffset) => JsonSchemaType.String,
                    _ when type == typeof(DateTimeOffset?) => JsonSchemaType.String | JsonSchemaType.Null,
                    // What is kept as JSON is an object wherever we show it.
                    _ when type == typeof(JsonElement) => JsonSchemaType.Object,
                    _ => schema.Type,
                };
                // Answers grow new members; only bodies that are sent to us have none but the known.
                schema.AdditionalPropertiesAllowed = true;
                return Task.CompletedTask;
            }
        );
    }

    private static void AddSecurity(OpenApiDocument document)
    {
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            [SchemeName] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                Description = "An API key (td_…) or a JWT of a configured issuer.",
            },
        };
        document.Security = SecurityOf(document);
        document.Components.Schemas ??= new Dictionary<string, IOpenApiSchema>();
        document.Components.Schemas[Problem] = ProblemSchema();
    }

    /// <summary>A credential that has these permissions.</summary>
    public static IList<OpenApiSecurityRequirement> SecurityOf(
        OpenApiDocument document,
        params List<string> permissions
    ) => [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(SchemeName, document)] = permissions }];

    // HEAD answers like GET; a second operation with the same id would not be valid.
    private static void RemoveHead(OpenApiDocument document)
    {
        foreach (var path in document.Paths.Values)
        {
            path.Operations?.Remove(HttpMethod.Head);
        }
    }

    private static OpenApiSchema ProblemSchema() =>
        new()
        {
            Type = JsonSchemaType.Object,
            Required = new HashSet<string> { "type", "title", "status", "detail", "code", "traceId" },
            Properties = new Dictionary<string, IOpenApiSchema>
            {
                ["type"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "/problems/{code}" },
                ["title"] = new OpenApiSchema { Type = JsonSchemaType.String },
                ["status"] = new OpenApiSchema { Type = JsonSchemaType.Integer },
                ["detail"] = new OpenApiSchema { Type = JsonSchemaType.String },
                ["code"] = new OpenApiSchema { Type = JsonSchemaType.String },
                ["traceId"] = new OpenApiSchema { Type = JsonSchemaType.String },
                ["errors"] = new OpenApiSchema
                {
                    Type = JsonSchemaType.Object,
                    Description = "Faults by field.",
                    AdditionalProperties = new OpenApiSchema
                    {
                        Type = JsonSchemaType.Array,
                        Items = new OpenApiSchema { Type = JsonSchemaType.String },
                    },
                },
            },
        };
}
