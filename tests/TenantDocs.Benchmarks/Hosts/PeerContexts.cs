using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace TenantDocs.Benchmarks.Hosts;

/// <summary>A document as EF users map it.</summary>
internal sealed class PeerDocument
{
    public Guid TenantId { get; set; }
    public Guid Id { get; set; }
    public string Title { get; set; } = "";
    public string Body { get; set; } = "";
    public string ContentType { get; set; } = "text/markdown";
    public string Status { get; set; } = "draft";
    public Guid? CollectionId { get; set; }
    public string[] Tags { get; set; } = [];
    public string Metadata { get; set; } = "{}";
    public string Language { get; set; } = "english";
    public long Bytes { get; set; }
    public long Version { get; set; } = 1;
    public DateTime CreatedAt { get; set; }
    public string CreatedBy { get; set; } = "";
    public DateTime UpdatedAt { get; set; }
    public string UpdatedBy { get; set; } = "";
    public DateTime? DeletedAt { get; set; }
}

internal sealed class PeerVersion
{
    public Guid TenantId { get; set; }
    public Guid DocumentId { get; set; }
    public long Version { get; set; } = 1;
    public string Change { get; set; } = "created";
    public string Title { get; set; } = "";
    public string Body { get; set; } = "";
    public string ContentType { get; set; } = "text/markdown";
    public string Status { get; set; } = "draft";
    public string[] Tags { get; set; } = [];
    public string Metadata { get; set; } = "{}";
    public DateTime UpdatedAt { get; set; }
    public string UpdatedBy { get; set; } = "";
}

internal sealed class PeerTag
{
    public Guid TenantId { get; set; }
    public string Tag { get; set; } = "";
    public Guid DocumentId { get; set; }
}

/// <summary>The tenant of the request; a scoped service set from the route.</summary>
internal sealed class PeerTenant
{
    public Guid Id { get; set; }
}

/// <summary>The model; subclasses differ in how they keep tenants apart.</summary>
internal abstract class PeerContext(DbContextOptions options) : DbContext(options)
{
    public DbSet<PeerDocument> Documents => Set<PeerDocument>();

    /// <summary>Filters queries, where the way does.</summary>
    public Guid TenantId { get; set; }

    protected virtual bool Filters => false;

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<PeerDocument>(e =>
        {
            e.ToTable("documents").HasKey(d => new { d.TenantId, d.Id });
            e.Property(d => d.Metadata).HasColumnType("json");
            if (Filters)
            {
                e.HasQueryFilter(d => d.TenantId == TenantId);
            }
        });
        modelBuilder.Entity<PeerVersion>(e =>
        {
            e.ToTable("document_versions")
                .HasKey(v => new
                {
                    v.TenantId,
                    v.DocumentId,
                    v.Version,
                });
            e.HasOne<PeerDocument>().WithMany().HasForeignKey(v => new { v.TenantId, v.DocumentId });
            e.Property(v => v.Metadata).HasColumnType("json");
        });
        modelBuilder.Entity<PeerTag>(e =>
        {
            e.ToTable("document_tags")
                .HasKey(t => new
                {
                    t.TenantId,
                    t.Tag,
                    t.DocumentId,
                });
            e.HasOne<PeerDocument>().WithMany().HasForeignKey(t => new { t.TenantId, t.DocumentId });
        });
        foreach (var property in modelBuilder.Model.GetEntityTypes().SelectMany(t => t.GetProperties()))
        {
            property.SetColumnName(
                string.Concat(property.Name.Select((c, i) => char.IsUpper(c) && i > 0 ? $"_{c}" : $"{c}"))
                    .ToLowerInvariant()
            );
        }
    }
}

/// <summary>A query filter and nothing else.</summary>
internal sealed class FilterContext : PeerContext
{
    public FilterContext(DbContextOptions<FilterContext> options, PeerTenant tenant)
        : base(options) => TenantId = tenant.Id;

    protected override bool Filters => true;
}

/// <summary>A query filter, pooled contexts and compiled queries: the fastest of the usual ways, still without a policy.</summary>
internal sealed class PooledContext(DbContextOptions<PooledContext> options) : PeerContext(options)
{
    protected override bool Filters => true;
}

/// <summary>Policies; the tenant is set when the connection opens.</summary>
internal sealed class OpenContext : PeerContext
{
    public OpenContext(DbContextOptions<OpenContext> options, PeerTenant tenant)
        : base(options) => TenantId = tenant.Id;
}

/// <summary>Policies; BEGIN, set, query, COMMIT.</summary>
internal sealed class TransactionContext : PeerContext
{
    public TransactionContext(DbContextOptions<TransactionContext> options, PeerTenant tenant)
        : base(options) => TenantId = tenant.Id;
}

/// <summary>The interceptor that tutorials show: a session setting at each opening.</summary>
internal sealed class SetOnOpen : DbConnectionInterceptor
{
    public override async Task ConnectionOpenedAsync(
        DbConnection connection,
        ConnectionEndEventData eventData,
        CancellationToken cancellationToken = default
    )
    {
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT set_config('app.current_tenant', @tenant, false)";
        var tenant = command.CreateParameter();
        (tenant.ParameterName, tenant.Value) = ("tenant", ((PeerContext)eventData.Context!).TenantId.ToString());
        command.Parameters.Add(tenant);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
