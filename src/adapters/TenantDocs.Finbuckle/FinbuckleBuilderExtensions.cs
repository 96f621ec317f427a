using Finbuckle.MultiTenant;
using Microsoft.Extensions.DependencyInjection;

namespace TenantDocs.Finbuckle;

/// <summary>Plugs TenantDocs into Finbuckle.MultiTenant.</summary>
public static class FinbuckleBuilderExtensions
{
    /// <summary>
    /// Adds <see cref="TenantDocsStore"/>:
    /// <c>services.AddMultiTenant&lt;TenantDocsTenantInfo&gt;().WithHostStrategy().WithTenantDocsStore()</c>.
    /// Needs <c>AddTenantDocs()</c>.
    /// </summary>
    public static MultiTenantBuilder<TenantDocsTenantInfo> WithTenantDocsStore(
        this MultiTenantBuilder<TenantDocsTenantInfo> builder
    ) => builder.WithStore<TenantDocsStore>(ServiceLifetime.Singleton);
}
