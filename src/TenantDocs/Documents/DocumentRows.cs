using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using TenantDocs.Isolation;

namespace TenantDocs.Documents;

internal sealed class DocumentRow : ITenantRow
{
    public Guid TenantId { get; init; }
    public Guid Id { get; init; }
    public DateTime CreatedAt { get; init; }
    public required string CreatedBy { get; init; }
    public DateTime? DeletedAt { get; init; }
}

internal sealed class DocumentVersionRow : ITenantRow
{
    public Guid TenantId { get; init; }
    public Guid DocumentId { get; init; }
    public long Version { get; init; }
    public required string Change { get; init; }
    public required string Title { get; init; }
    public required string Body { get; init; }
    public required string ContentType { get; init; }
    public required string Status { get; init; }
    public Guid? CollectionId { get; init; }
    public required string[] Tags { get; init; }
    public required string Metadata { get; init; }
    public DateTime UpdatedAt { get; init; }
    public required string UpdatedBy { get; init; }
    public DateTime? DeletedAt { get; init; }
}

internal sealed class DocumentTagRow : ITenantRow
{
    public Guid TenantId { get; init; }
    public required string Tag { get; init; }
    public Guid DocumentId { get; init; }
}

internal sealed class TenantStateRow : ITenantRow
{
    public Guid TenantId { get; init; }
    public long Seq { get; init; }
    public long Documents { get; init; }
    public long Trashed { get; init; }
    public long Bytes { get; init; }
    public long Versions { get; init; }
}

/// <summary>Columns by PostgreSQL's custom: snake_case, so that SQL needs no quotes.</summary>
internal sealed class DocumentRowConfiguration
    : IEntityTypeConfiguration<DocumentRow>,
        IEntityTypeConfiguration<DocumentVersionRow>,
        IEntityTypeConfiguration<DocumentTagRow>,
        IEntityTypeConfiguration<TenantStateRow>
{
    public void Configure(EntityTypeBuilder<DocumentRow> builder)
    {
        builder.ToTable("documents").HasKey(row => new { row.TenantId, row.Id });
        NameColumns(builder);
    }

    public void Configure(EntityTypeBuilder<DocumentVersionRow> builder)
    {
        builder
            .ToTable("document_versions")
            .HasKey(row => new
            {
                row.TenantId,
                row.DocumentId,
                row.Version,
            });
        builder.Property(row => row.Metadata).HasColumnType("json");
        NameColumns(builder);
    }

    public void Configure(EntityTypeBuilder<DocumentTagRow> builder)
    {
        builder
            .ToTable("document_tags")
            .HasKey(row => new
            {
                row.TenantId,
                row.Tag,
                row.DocumentId,
            });
        NameColumns(builder);
    }

    public void Configure(EntityTypeBuilder<TenantStateRow> builder)
    {
        builder.ToTable("tenant_state").HasKey(row => row.TenantId);
        NameColumns(builder);
    }

    private static void NameColumns(EntityTypeBuilder builder)
    {
        foreach (var property in builder.Metadata.GetProperties())
        {
            property.SetColumnName(
                string.Concat(property.Name.Select((c, i) => char.IsUpper(c) && i > 0 ? $"_{c}" : $"{c}"))
                    .ToLowerInvariant()
            );
        }
    }
}
