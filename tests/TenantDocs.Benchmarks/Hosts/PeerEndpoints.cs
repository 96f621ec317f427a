using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using TenantDocs.Documents;

namespace TenantDocs.Benchmarks.Hosts;

/// <summary>The ways in use today, each with the three endpoints.</summary>
internal static class PeerEndpoints
{
    public const string Filter = "ef-filter";
    public const string Pooled = "ef-pooled";
    public const string Open = "ef-open";
    public const string Transaction = "ef-transaction";

    // EF wants {0} where PostgreSQL has $1.
    private static readonly string CountSql = Regex.Replace(
        DocumentSql.Count,
        @"\$(\d+)",
        m => $"{{{int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture) - 1}}}"
    );

    private static readonly Func<PooledContext, Guid, Task<PeerDocument?>> Find = EF.CompileAsyncQuery(
        (PooledContext context, Guid id) => context.Documents.FirstOrDefault(d => d.Id == id)
    );

    private static readonly Func<PooledContext, int, IAsyncEnumerable<PeerDocument>> List = EF.CompileAsyncQuery(
        (PooledContext context, int take) =>
            context
                .Documents.Where(d => d.DeletedAt == null)
                .OrderByDescending(d => d.UpdatedAt)
                .ThenByDescending(d => d.Id)
                .Take(take)
                .Select(d => new PeerDocument
                {
                    Id = d.Id,
                    Title = d.Title,
                    ContentType = d.ContentType,
                    Status = d.Status,
                    CollectionId = d.CollectionId,
                    Tags = d.Tags,
                    Metadata = d.Metadata,
                    Version = d.Version,
                    CreatedAt = d.CreatedAt,
                    CreatedBy = d.CreatedBy,
                    UpdatedAt = d.UpdatedAt,
                    UpdatedBy = d.UpdatedBy,
                    DeletedAt = d.DeletedAt,
                })
    );

    public static void AddPeers(this IServiceCollection services, NpgsqlDataSource floor, NpgsqlDataSource peers)
    {
        services.AddScoped<PeerTenant>();
        services.AddDbContext<FilterContext>(o => Use(o, floor));
        services.AddDbContextPool<PooledContext>(o => Use(o, floor));
        services.AddDbContext<OpenContext>(o => Use(o, peers).AddInterceptors(new SetOnOpen()));
        services.AddDbContext<TransactionContext>(o => Use(o, peers));
    }

    public static void MapPeers(this IEndpointRouteBuilder app)
    {
        app.Map<FilterContext>(Filter);
        app.Map<OpenContext>(Open);
        app.Map<TransactionContext>(Transaction);
        app.MapPooled();
    }

    private static DbContextOptionsBuilder Use(DbContextOptionsBuilder options, NpgsqlDataSource source) =>
        options.UseNpgsql(source).UseQueryTrackingBehavior(QueryTrackingBehavior.NoTracking);

    private static void Map<TContext>(this IEndpointRouteBuilder app, string way)
        where TContext : PeerContext
    {
        // The tenant before the context: the context takes it when it is made.
        app.MapGet(
            $"/{way}/{{owner:guid}}/documents/{{id:guid}}",
            async (Guid owner, Guid id, HttpContext http, CancellationToken cancellationToken) =>
            {
                var context = ContextOf<TContext>(http, owner);
                var row = await context.InTenantAsync(
                    c => c.Documents.FirstOrDefaultAsync(d => d.Id == id, cancellationToken),
                    cancellationToken
                );
                return row is null ? Results.NotFound() : Answers.Of(ToDocument(row, body: true));
            }
        );
        app.MapGet(
            $"/{way}/{{owner:guid}}/documents",
            async (Guid owner, int? limit, HttpContext http, CancellationToken cancellationToken) =>
            {
                var context = ContextOf<TContext>(http, owner);
                var rows = await context.InTenantAsync(
                    c =>
                        c.Documents.Where(d => d.DeletedAt == null)
                            .OrderByDescending(d => d.UpdatedAt)
                            .ThenByDescending(d => d.Id)
                            .Take((limit ?? 50) + 1)
                            .Select(d => new PeerDocument
                            {
                                Id = d.Id,
                                Title = d.Title,
                                ContentType = d.ContentType,
                                Status = d.Status,
                                CollectionId = d.CollectionId,
                                Tags = d.Tags,
                                Metadata = d.Metadata,
                                Version = d.Version,
                                CreatedAt = d.CreatedAt,
                                CreatedBy = d.CreatedBy,
                                UpdatedAt = d.UpdatedAt,
                                UpdatedBy = d.UpdatedBy,
                                DeletedAt = d.DeletedAt,
                            })
                            .ToListAsync(cancellationToken),
                    cancellationToken
                );
                return Answers.Page(rows.ConvertAll(r => ToDocument(r, body: false)), limit ?? 50);
            }
        );
        app.MapPost(
            $"/{way}/{{owner:guid}}/documents",
            async (Guid owner, NewDocument created, HttpContext http, CancellationToken cancellationToken) =>
                Answers.Created(await CreateAsync(ContextOf<TContext>(http, owner), owner, created, cancellationToken))
        );
    }

    private static void MapPooled(this IEndpointRouteBuilder app)
    {
        app.MapGet(
            $"/{Pooled}/{{owner:guid}}/documents/{{id:guid}}",
            async (Guid owner, Guid id, PooledContext context) =>
            {
                context.TenantId = owner;
                return await Find(context, id) is { } row
                    ? Answers.Of(ToDocument(row, body: true))
                    : Results.NotFound();
            }
        );
        app.MapGet(
            $"/{Pooled}/{{owner:guid}}/documents",
            async (Guid owner, int? limit, PooledContext context) =>
            {
                context.TenantId = owner;
                var items = new List<Document>();
                await foreach (var row in List(context, (limit ?? 50) + 1))
                {
                    items.Add(ToDocument(row, body: false));
                }

                return Answers.Page(items, limit ?? 50);
            }
        );
        app.MapPost(
            $"/{Pooled}/{{owner:guid}}/documents",
            async (Guid owner, NewDocument created, PooledContext context, CancellationToken cancellationToken) =>
            {
                context.TenantId = owner;
                return Answers.Created(await CreateAsync(context, owner, created, cancellationToken));
            }
        );
    }

    private static TContext ContextOf<TContext>(HttpContext http, Guid owner)
        where TContext : PeerContext
    {
        http.RequestServices.GetRequiredService<PeerTenant>().Id = owner;
        return http.RequestServices.GetRequiredService<TContext>();
    }

    private static async Task<T> InTenantAsync<TContext, T>(
        this TContext context,
        Func<TContext, Task<T>> work,
        CancellationToken cancellationToken
    )
        where TContext : PeerContext
    {
        if (context is not TransactionContext)
        {
            return await work(context);
        }

        await using var transaction = await context.Database.BeginTransactionAsync(cancellationToken);
        await SetTenantAsync(context, cancellationToken);
        var result = await work(context);
        await transaction.CommitAsync(cancellationToken);
        return result;
    }

    private static Task<int> SetTenantAsync(PeerContext context, CancellationToken cancellationToken) =>
        context.Database.ExecuteSqlAsync(
            $"SELECT set_config('app.current_tenant', {context.TenantId.ToString()}, true)",
            cancellationToken
        );

    /// <summary>Rows by SaveChanges; the counter, whose value the change feed needs, by the same statement as the floor.</summary>
    private static async Task<Document> CreateAsync(
        PeerContext context,
        Guid owner,
        NewDocument created,
        CancellationToken cancellationToken
    )
    {
        var document = FloorDocuments.Make(created);
        var row = ToRow(owner, document);
        await using var transaction = await context.Database.BeginTransactionAsync(cancellationToken);
        if (context is TransactionContext)
        {
            await SetTenantAsync(context, cancellationToken);
        }

        context.Add(row);
        context.Add(
            new PeerVersion
            {
                TenantId = owner,
                DocumentId = row.Id,
                Title = row.Title,
                Body = row.Body,
                Tags = row.Tags,
                UpdatedAt = row.UpdatedAt,
                UpdatedBy = row.UpdatedBy,
            }
        );
        context.AddRange(
            row.Tags.Select(t => new PeerTag
            {
                TenantId = owner,
                Tag = t,
                DocumentId = row.Id,
            })
        );
        await context.SaveChangesAsync(cancellationToken);
        await context.Database.ExecuteSqlRawAsync(CountSql, FloorDocuments.Count(owner, document), cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return document;
    }

    private static PeerDocument ToRow(Guid owner, Document document) =>
        new()
        {
            TenantId = owner,
            Id = document.Id,
            Title = document.Content.Title,
            Body = document.Content.Body!,
            Tags = [.. document.Content.Tags],
            Bytes = DocumentRules.BytesOf(document.Content),
            CreatedAt = document.CreatedAt.UtcDateTime,
            CreatedBy = document.CreatedBy,
            UpdatedAt = document.UpdatedAt.UtcDateTime,
            UpdatedBy = document.UpdatedBy,
        };

    private static Document ToDocument(PeerDocument row, bool body) =>
        new()
        {
            Id = row.Id,
            Content = new DocumentContent
            {
                Title = row.Title,
                Body = body ? row.Body : null,
                ContentType = row.ContentType,
                Status = row.Status,
                CollectionId = row.CollectionId,
                Tags = row.Tags,
                Metadata = row.Metadata,
            },
            Version = row.Version,
            CreatedAt = new DateTimeOffset(row.CreatedAt),
            CreatedBy = row.CreatedBy,
            UpdatedAt = new DateTimeOffset(row.UpdatedAt),
            UpdatedBy = row.UpdatedBy,
            DeletedAt = row.DeletedAt is { } at ? new DateTimeOffset(at) : null,
        };
}
