using System.Security.Cryptography;
using System.Text;

namespace TenantDocs.Import;

/// <summary>
/// The id of a file's document: a UUIDv8 (RFC 9562, section 5.8) from the name of the source and the path inside it. The
/// same file is the same document in every tenant and on every machine, without a table that says so.
/// </summary>
public static class ImportIdentity
{
    /// <summary>The id.</summary>
    /// <param name="source">Name of the source, without NUL.</param>
    /// <param name="path">Path relative to the source's folder, with <c>/</c> between its parts.</param>
    public static Guid Of(string source, string path)
    {
        // NUL can be in neither part, so that no two pairs have the same bytes.
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{source}\0{path}"));
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash.AsSpan(0, 16), bigEndian: true);
    }
}
