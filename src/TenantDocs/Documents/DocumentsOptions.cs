using System.ComponentModel.DataAnnotations;

namespace TenantDocs.Documents;

/// <summary>Settings of the section <c>Documents</c>.</summary>
public sealed class DocumentsOptions
{
    /// <summary>Largest body, in bytes of UTF-8. Default 5 MiB.</summary>
    [Range(1, 64 * 1024 * 1024)]
    public int MaxBodyBytes { get; set; } = 5 * 1024 * 1024;

    /// <summary>How long a document stays in the trash before it is removed for good. Default 30 days.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "3650.00:00:00")]
    public TimeSpan TrashRetention { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How often the trash of all tenants is looked through. Default 1 hour.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromHours(1);

    /// <summary>
    /// After a tenant got another language: how long until its documents are looked through for the last time, for those
    /// that a request from before the change, or a node that had not heard of it, still wrote. Default 1 minute.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan LanguageSettling { get; set; } = TimeSpan.FromMinutes(1);
}
