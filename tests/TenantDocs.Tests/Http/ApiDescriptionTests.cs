using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.OpenApi;
using TenantDocs.Api.Http;

namespace TenantDocs.Tests.Http;

/// <summary>The two OpenAPI documents, from the host's own registrations; nothing of it is started.</summary>
public sealed class ApiDescriptionTests : IDisposable
{
    // TENANTDOCS_APPROVE=1 writes the approved documents anew; the diff is then there to be read.
    private const string Approve = "TENANTDOCS_APPROVE";

    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NewLine = "\n",
    };

    private readonly WebApplicationFactory<global::Program> _host =
        new WebApplicationFactory<global::Program>().WithWebHostBuilder(host =>
            host.ConfigureTestServices(services =>
            {
                foreach (var ours in services.Where(IsOurHosted).ToList())
                {
                    services.Remove(ours);
                }
            })
        );

    public void Dispose() => _host.Dispose();

    [Theory]
    [InlineData("tenant")]
    [InlineData("admin")]
    public async Task The_description_is_as_approved(string name)
    {
        var text = JsonSerializer.Serialize(JsonElement.Parse(await ReadAsync(name)), Indented) + "\n";
        var file = Approved(name);
        if (Environment.GetEnvironmentVariable(Approve) is "1")
        {
            await File.WriteAllTextAsync(file, text, TestContext.Current.CancellationToken);
        }

        Assert.Equal(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken), text);
    }

    [Theory]
    [InlineData("tenant")]
    [InlineData("admin")]
    public async Task The_description_is_valid_OpenAPI_3_1(string name)
    {
        var text = await ReadAsync(name);
        var good = OpenApiDocument.Parse(text, OpenApiConstants.Json);
        Assert.Empty(good.Diagnostic!.Errors.Select(e => $"{e.Pointer}: {e.Message}"));
        Assert.Equal(OpenApiSpecVersion.OpenApi3_1, good.Diagnostic.SpecificationVersion);
        Assert.Empty(Dangling(JsonElement.Parse(text)));

        var bad = text.Replace("\"in\": \"path\"", "\"in\": \"nowhere\"", StringComparison.Ordinal);
        Assert.NotEqual(text, bad);
        Assert.NotEmpty(OpenApiDocument.Parse(bad, OpenApiConstants.Json).Diagnostic!.Errors);
        var dangling = text.Replace("schemas/Problem\"", "schemas/Nothing\"", StringComparison.Ordinal);
        Assert.NotEmpty(Dangling(JsonElement.Parse(dangling)));
    }

    [Theory]
    [InlineData("tenant", 17)]
    [InlineData("admin", 25)]
    public async Task Every_operation_says_what_it_takes_and_what_it_answers(string name, int least)
    {
        var document = JsonElement.Parse(await ReadAsync(name));
        var operations = document
            .GetProperty("paths")
            .EnumerateObject()
            .SelectMany(p => p.Value.EnumerateObject().Select(o => (Name: $"{o.Name} {p.Name}", o.Value)))
            .ToList();
        Assert.True(operations.Count >= least, $"{operations.Count} operations");
        foreach (var (operation, described) in operations)
        {
            var successes = described.GetProperty("responses").EnumerateObject().Where(r => r.Name[0] == '2').ToList();
            Assert.True(successes.Count > 0, operation);
            foreach (var answer in successes.Where(r => r.Name is not "204"))
            {
                var content = answer.Value.GetProperty("content").EnumerateObject().First().Value;
                Assert.True(content.GetProperty("schema").EnumerateObject().Any(), $"{operation} {answer.Name}");
            }

            Assert.True(described.GetProperty("responses").TryGetProperty("default", out _), operation);
            Assert.NotEmpty(described.GetProperty("summary").GetString()!);
            var verb = operation.Split(' ')[0];
            Assert.Equal(verb is not "get", Headers(described).Contains("Idempotency-Key"));
            Assert.True(verb is not ("patch" or "put") || described.TryGetProperty("requestBody", out _), operation);
        }
    }

    [Fact]
    public async Task Every_endpoint_of_an_API_is_in_its_description()
    {
        foreach (var (audience, name) in new[] { (Audience.Tenant, "tenant"), (Audience.Staff, "admin") })
        {
            var described = JsonElement
                .Parse(await ReadAsync(name))
                .GetProperty("paths")
                .EnumerateObject()
                .SelectMany(p => p.Value.EnumerateObject())
                .Select(o => o.Value.GetProperty("operationId").GetString());
            var mapped = Endpoints(audience).Select(e => e.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName);
            Assert.Equal(mapped.Order(), described.Order());
        }
    }

    [Fact]
    public void Every_endpoint_of_an_API_says_who_may_use_it()
    {
        List<RouteEndpoint> endpoints = [.. Endpoints(Audience.Tenant), .. Endpoints(Audience.Staff)];
        Assert.True(endpoints.Count >= 42);
        Assert.Equal(
            ["getMe", "getTenant"],
            endpoints
                .Where(e => e.Metadata.GetMetadata<Permission>() is null)
                .Where(e => e.Metadata.GetMetadata<ForEveryMember>() is not null)
                .Select(e => e.Metadata.GetMetadata<IEndpointNameMetadata>()!.EndpointName)
                .Order()
        );
        Assert.All(
            endpoints,
            e =>
                Assert.True(
                    e.Metadata.GetMetadata<Permission>() is not null
                        ^ e.Metadata.GetMetadata<ForEveryMember>() is not null,
                    e.DisplayName
                )
        );
        // A change never goes through on a permission to read.
        Assert.All(
            endpoints.Where(e => e.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods[0] is not "GET"),
            e => Assert.False(e.Metadata.GetMetadata<Permission>()!.IsRead, e.DisplayName)
        );
    }

    [Fact]
    public void Every_endpoint_says_for_whom_it_is() =>
        Assert.All(All, e => Assert.NotNull(e.Metadata.GetMetadata<ForAudience>()));

    private List<RouteEndpoint> All =>
        [.. _host.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()];

    private List<RouteEndpoint> Endpoints(Audience audience) =>
        [.. All.Where(e => e.Metadata.GetMetadata<ForAudience>()?.Audience == audience)];

    private async Task<string> ReadAsync(string name)
    {
        using var client = _host.CreateClient();
        return await client.GetStringAsync($"/openapi/{name}.json", TestContext.Current.CancellationToken);
    }

    private static IEnumerable<string?> Headers(JsonElement operation) =>
        operation.TryGetProperty("parameters", out var parameters)
            ? parameters
                .EnumerateArray()
                .Where(p => p.GetProperty("in").GetString() is "header")
                .Select(p => p.GetProperty("name").GetString())
            : [];

    // References that lead nowhere.
    private static List<string> Dangling(JsonElement document)
    {
        var found = new List<string>();
        Walk(document);
        return found;

        void Walk(JsonElement node)
        {
            if (node.ValueKind is JsonValueKind.Array)
            {
                foreach (var item in node.EnumerateArray())
                {
                    Walk(item);
                }
            }
            else if (node.ValueKind is JsonValueKind.Object)
            {
                foreach (var member in node.EnumerateObject())
                {
                    if (member.NameEquals("$ref") && !Exists(member.Value.GetString()!))
                    {
                        found.Add(member.Value.GetString()!);
                    }

                    Walk(member.Value);
                }
            }
        }

        bool Exists(string reference)
        {
            var at = document;
            return reference.StartsWith("#/", StringComparison.Ordinal)
                && reference[2..].Split('/').All(part => at.TryGetProperty(part, out at));
        }
    }

    private static bool IsOurHosted(ServiceDescriptor service) =>
        service.ServiceType == typeof(IHostedService)
        && (service.ImplementationType ?? service.ImplementationFactory?.Method.DeclaringType)?.Assembly is { } assembly
        && (assembly == typeof(global::Program).Assembly || assembly == typeof(Result<>).Assembly);

    private static string Approved(string name, [CallerFilePath] string path = "") =>
        Path.Combine(Path.GetDirectoryName(path)!, $"{name}-api.approved.json");
}
