using Npgsql;
using TenantDocs.Isolation;

namespace TenantDocs.Documents;

/// <summary>Rows to documents. Every row is asked whose it is.</summary>
internal static class DocumentReading
{
    private const int BodyColumn = 14;

    /// <summary>Throws unless the row's first column is the tenant.</summary>
    public static void Guard(NpgsqlDataReader reader, Guid tenant) => Guard(reader.GetGuid(0), tenant);

    /// <summary>Throws unless a row's tenant is the tenant.</summary>
    public static void Guard(Guid owner, Guid tenant)
    {
        if (owner != tenant)
        {
            throw new TenantIsolationException("A row of another tenant reached the repository.");
        }
    }

    /// <summary>True for a row whose body was left out because the page is full.</summary>
    public static bool LacksBody(NpgsqlDataReader reader) => reader.IsDBNull(BodyColumn);

    public static Document Read(NpgsqlDataReader reader, Guid tenant, bool body)
    {
        Guard(reader, tenant);
        return new Document
        {
            Id = reader.GetGuid(1),
            Content = new DocumentContent
            {
                Title = reader.GetString(2),
                ContentType = reader.GetString(3),
                Status = reader.GetString(4),
                CollectionId = reader.IsDBNull(5) ? null : reader.GetGuid(5),
                Tags = reader.GetFieldValue<string[]>(6),
                Metadata = reader.GetString(7),
                Body = body ? reader.GetString(BodyColumn) : null,
            },
            Version = reader.GetInt64(8),
            CreatedAt = Time(reader, 9),
            CreatedBy = reader.GetString(10),
            UpdatedAt = Time(reader, 11),
            UpdatedBy = reader.GetString(12),
            DeletedAt = reader.IsDBNull(13) ? null : Time(reader, 13),
        };
    }

    public static DocumentContent ReadVersion(NpgsqlDataReader reader, Guid tenant)
    {
        Guard(reader, tenant);
        return new DocumentContent
        {
            Title = reader.GetString(1),
            Body = reader.GetString(2),
            ContentType = reader.GetString(3),
            Status = reader.GetString(4),
            CollectionId = reader.IsDBNull(5) ? null : reader.GetGuid(5),
            Tags = reader.GetFieldValue<string[]>(6),
            Metadata = reader.GetString(7),
        };
    }

    public static DateTimeOffset Time(NpgsqlDataReader reader, int column) =>
        new(reader.GetDateTime(column), TimeSpan.Zero);
}
