using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace TenantDocs.Benchmarks.Hosts;

/// <summary>
/// What the product is compared with, in one process: the same endpoints on plain Npgsql without any tenant work (the
/// floor), and the ways in use today (the peers). The same Kestrel, JSON, rows, statements, pool and preparation.
/// </summary>
internal static class FloorHost
{
    public const string FloorVariable = "BENCH_FLOOR";
    public const string PeersVariable = "BENCH_PEERS";

    public static async Task<int> ServeAsync(string port)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        var floor = Source(FloorVariable);
        var peers = Source(PeersVariable);
        builder.Services.AddSingleton(floor);
        builder.Services.AddPeers(floor, peers);
        await using var app = builder.Build();
        app.MapGet("/ready", () => "ready");
        app.MapFloor();
        app.MapPeers();
        await app.RunAsync();
        return 0;
    }

    /// <summary>The constant answer: what Kestrel and the driver cost by themselves.</summary>
    public const string ConstantPath = "/constant";

    private static void MapFloor(this IEndpointRouteBuilder app)
    {
        var constant = new byte[2600];
        constant.AsSpan().Fill((byte)'x');
        app.MapGet(
            ConstantPath,
            async context =>
            {
                context.Response.ContentType = "application/json";
                await context.Response.BodyWriter.WriteAsync(constant);
            }
        );
        app.MapGet(
            "/plain/{owner:guid}/documents/{id:guid}",
            async (Guid owner, Guid id, NpgsqlDataSource source, CancellationToken cancellationToken) =>
                await FloorDocuments.FindAsync(source, owner, id, cancellationToken) is { } document
                    ? Answers.Of(document)
                    : Results.NotFound()
        );
        app.MapGet(
            "/plain/{owner:guid}/documents",
            async (Guid owner, int? limit, NpgsqlDataSource source, CancellationToken cancellationToken) =>
                Answers.Page(await FloorDocuments.ListAsync(source, owner, limit ?? 50, cancellationToken), limit ?? 50)
        );
        app.MapPost(
            "/plain/{owner:guid}/documents",
            async (Guid owner, NewDocument created, NpgsqlDataSource source, CancellationToken cancellationToken) =>
                Answers.Created(await FloorDocuments.CreateAsync(source, owner, created, cancellationToken))
        );
    }

    internal static NpgsqlDataSource Source(string variable)
    {
        var builder = new NpgsqlDataSourceBuilder(
            Environment.GetEnvironmentVariable(variable) ?? throw new BenchmarkException($"{variable} is not set.")
        );
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        return builder.Build();
    }
}

/// <summary>A document as a client sends it.</summary>
internal sealed record NewDocument(string Title, string Body, string[] Tags);
