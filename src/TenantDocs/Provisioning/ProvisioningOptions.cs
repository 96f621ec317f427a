using System.ComponentModel.DataAnnotations;

namespace TenantDocs.Provisioning;

/// <summary>Settings of the section <c>Provisioning</c>.</summary>
public sealed class ProvisioningOptions
{
    /// <summary>How long a deleted tenant's data is kept, and undelete works. Default 30 days.</summary>
    public TimeSpan DeletionGrace { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How often tenants whose grace has passed are looked for. Default 1 minute.</summary>
    public TimeSpan PurgeInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a change of a tenant's condition waits for its running writes. Default 10 s.</summary>
    public TimeSpan FenceTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Rows removed per transaction where tenants share tables. Default 5,000.</summary>
    [Range(1, 1_000_000)]
    public int RemovalBatch { get; set; } = 5_000;
}
