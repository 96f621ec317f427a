namespace TenantDocs.Api.Http;

/// <summary>Settings of the section <c>Tenancy</c>.</summary>
internal sealed class TenancyOptions
{
    /// <summary>Hosts below it name a tenant (<c>{slug}.{BaseDomain}</c>). Null = hosts name none. Default null.</summary>
    public string? BaseDomain { get; set; }
}
