using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace TenantDocs.Api.Http;

/// <summary>Puts into an operation of the OpenAPI documents what is said beside its endpoint (<see cref="EndpointDescription"/>).</summary>
internal static class OperationDescriptions
{
    public static async Task DescribeAsync(
        OpenApiOperation operation,
        OpenApiOperationTransformerContext context,
        CancellationToken cancellationToken
    )
    {
        var metadata = context.Description.ActionDescriptor.EndpointMetadata;
        var parameters = operation.Parameters ??= [];
        AddFormats(parameters);
        AddQuery(parameters, metadata.OfType<QueryParameters>().LastOrDefault()?.All ?? []);
        AddHeaders(parameters, metadata.OfType<RequestHeaders>().SelectMany(h => h.All));
        if (context.Description.HttpMethod is not ("GET" or "HEAD"))
        {
            AddHeaders(parameters, [RequestHeader.IdempotencyKey]);
        }

        if (metadata.OfType<TakesBody>().LastOrDefault() is { } body)
        {
            operation.RequestBody = await BodyAsync(body, context, cancellationToken);
        }

        if (metadata.OfType<Permission>().LastOrDefault() is { } permission)
        {
            operation.Security = ApiDescriptions.SecurityOf(context.Document!, permission.Name);
        }

        AddAnswerHeaders(operation, metadata.OfType<AnswerHeaders>());
        AddProblem(operation, context);
    }

    // In the path they come as texts, so that a malformed one is 404 like any other that names nothing.
    private static void AddFormats(IEnumerable<IOpenApiParameter> parameters)
    {
        foreach (var parameter in parameters.OfType<OpenApiParameter>())
        {
            parameter.Schema = parameter.Name switch
            {
                "id" => new OpenApiSchema { Type = JsonSchemaType.String, Format = "uuid" },
                "n" => new OpenApiSchema { Type = JsonSchemaType.Integer, Minimum = "1" },
                _ => parameter.Schema,
            };
        }
    }

    private static void AddQuery(IList<IOpenApiParameter> parameters, IEnumerable<QueryParameter> query)
    {
        foreach (var parameter in query)
        {
            parameters.Add(
                new OpenApiParameter
                {
                    Name = parameter.Name,
                    In = ParameterLocation.Query,
                    Description = parameter.Text,
                    Required = parameter.IsRequired,
                    Schema = parameter.ToSchema(),
                }
            );
        }
    }

    private static void AddHeaders(IList<IOpenApiParameter> parameters, IEnumerable<RequestHeader> headers)
    {
        foreach (var header in headers)
        {
            parameters.Add(
                new OpenApiParameter
                {
                    Name = header.Name,
                    In = ParameterLocation.Header,
                    Description = header.Text,
                    Required = header.IsRequired,
                    Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                }
            );
        }
    }

    private static async Task<OpenApiRequestBody> BodyAsync(
        TakesBody body,
        OpenApiOperationTransformerContext context,
        CancellationToken cancellationToken
    )
    {
        var schema = await context.GetOrCreateSchemaAsync(body.Type, null, cancellationToken);
        schema.AdditionalPropertiesAllowed = false; // an unknown field is refused
        context.Document!.AddComponent(body.Type.Name, schema);
        return new OpenApiRequestBody
        {
            Required = true,
            Content = new Dictionary<string, OpenApiMediaType>
            {
                [JsonBody.TypeOf(body.Form)] = new()
                {
                    Schema = new OpenApiSchemaReference(body.Type.Name, context.Document),
                },
            },
        };
    }

    private static void AddAnswerHeaders(OpenApiOperation operation, IEnumerable<AnswerHeaders> answers)
    {
        foreach (var answer in answers.Where(a => a.Names.Count > 0))
        {
            if (operation.Responses?.GetValueOrDefault($"{answer.Status}") is OpenApiResponse response)
            {
                response.Headers = answer.Names.ToDictionary(
                    name => name,
                    IOpenApiHeader (_) =>
                        new OpenApiHeader { Schema = new OpenApiSchema { Type = JsonSchemaType.String } }
                );
            }
        }
    }

    private static void AddProblem(OpenApiOperation operation, OpenApiOperationTransformerContext context)
    {
        operation.Responses ??= [];
        operation.Responses["default"] = new OpenApiResponse
        {
            Description = "A problem (RFC 9457); /problems lists all codes.",
            Content = new Dictionary<string, OpenApiMediaType>
            {
                ["application/problem+json"] = new()
                {
                    Schema = new OpenApiSchemaReference(ApiDescriptions.Problem, context.Document),
                },
            },
        };
    }
}
