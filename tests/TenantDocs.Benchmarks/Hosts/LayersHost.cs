using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Documents;
using TenantDocs.Isolation;

namespace TenantDocs.Benchmarks.Hosts;

/// <summary>
/// A GET by id, one layer more at each path, from the second statement in the pipeline to the engine's own repository:
/// what is left to the product's GET is its middleware, authentication and routing.
/// </summary>
internal static class LayersHost
{
    public const string AppVariable = "BENCH_APP";
    public const string AdminVariable = "BENCH_ADMIN";

    /// <summary>The layers in order, each with what it adds.</summary>
    public static readonly IReadOnlyList<(string Path, string Adds)> Layers =
    [
        ("plain", "the query on the tenant's own table, as superuser (no policy)"),
        ("pipelined", "+ SELECT 1 in the same batch"),
        ("policy", "set_config instead, as the request role under the policy"),
        ("gate", "the gate instead of set_config"),
        ("session", "+ the engine: route, lease, session, repository"),
    ];

    public static async Task<int> ServeAsync(string port)
    {
        // The engine's configuration comes by the environment, as the product's own.
        var builder = WebApplication.CreateBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        builder.Services.AddTenantDocs();
        await using var app = builder.Build();
        var admin = FloorHost.Source(AdminVariable);
        var request = FloorHost.Source(AppVariable);
        app.MapGet("/ready", () => "ready");
        app.Map("plain", (owner, id, stop) => FloorDocuments.FindAsync(admin, owner, id, stop));
        app.Map("pipelined", (owner, id, stop) => FindAsync(admin, "SELECT 1", [], owner, id, stop));
        app.Map(
            "policy",
            (owner, id, stop) =>
                FindAsync(
                    request,
                    "SELECT set_config('app.current_tenant', $1, true)",
                    [SqlValue.Of(owner.ToString())],
                    owner,
                    id,
                    stop
                )
        );
        app.Map(
            "gate",
            (owner, id, stop) =>
                FindAsync(
                    request,
                    "SELECT tenantdocs.enter_read($1, $2)",
                    [SqlValue.Of(owner), SqlValue.Of(1L)],
                    owner,
                    id,
                    stop
                )
        );
        var routes = app.Services.GetRequiredService<TenantRoutes>();
        var documents = app.Services.GetRequiredService<IDocumentRepository>();
        app.Map(
            "session",
            async (owner, id, stop) =>
                await documents.FindAsync(
                    (await routes.FindAsync(new TenantId(owner), stop))!,
                    id,
                    trashed: false,
                    stop
                )
        );
        await app.RunAsync();
        return 0;
    }

    private static void Map(
        this IEndpointRouteBuilder app,
        string layer,
        Func<Guid, Guid, CancellationToken, Task<Document?>> find
    ) =>
        app.MapGet(
            $"/{layer}/{{owner:guid}}/documents/{{id:guid}}",
            async (Guid owner, Guid id, CancellationToken cancellationToken) =>
                await find(owner, id, cancellationToken) is { } document ? Answers.Of(document) : Results.NotFound()
        );

    private static async Task<Document?> FindAsync(
        NpgsqlDataSource source,
        string first,
        NpgsqlParameter[] values,
        Guid owner,
        Guid id,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await source.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        var gate = new NpgsqlBatchCommand(first);
        gate.Parameters.AddRange(values);
        batch.BatchCommands.Add(gate);
        var query = new NpgsqlBatchCommand(DocumentSql.Find);
        query.Parameters.Add(SqlValue.Of(owner));
        query.Parameters.Add(SqlValue.Of(id));
        batch.BatchCommands.Add(query);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? DocumentReading.Read(reader, owner, body: true) : null;
    }
}
