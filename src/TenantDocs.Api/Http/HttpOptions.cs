using System.ComponentModel.DataAnnotations;

namespace TenantDocs.Api.Http;

/// <summary>Settings of the section <c>Http</c>.</summary>
internal sealed class HttpOptions
{
    /// <summary>Largest request body that is read into memory, in bytes. Default 6 MiB: a document of 5 MiB and its JSON.</summary>
    [Range(1024, 1 << 30)]
    public int MaxBodyBytes { get; set; } = 6 * 1024 * 1024;
}
