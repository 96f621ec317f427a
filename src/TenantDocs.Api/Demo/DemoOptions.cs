using System.ComponentModel.DataAnnotations;

namespace TenantDocs.Api.Demo;

/// <summary>Settings of the section <c>Demo</c>.</summary>
public sealed class DemoOptions
{
    /// <summary>
    /// <c>none</c>, or <c>small</c>: one tenant of each isolation model with a few documents. Default: <c>small</c> on the
    /// embedded PostgreSQL, <c>none</c> on a configured one.
    /// </summary>
    [RegularExpression("^(none|small)$")]
    public string? Preset { get; set; }
}
