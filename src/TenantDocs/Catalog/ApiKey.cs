using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace TenantDocs.Catalog;

/// <summary>An API key as the catalog keeps it: everything but the key itself, of which only a hash is kept.</summary>
public sealed record ApiKey
{
    /// <summary>How every key that the platform makes begins.</summary>
    public const string Mark = "td_";

    /// <summary>The role of staff keys; tenants' roles are the Http room's.</summary>
    public const string StaffRole = "staff";

    private const int SecretBytes = 32;
    private const int PrefixLength = 11;

    private string? _actor;

    /// <summary>Identity.</summary>
    public required Guid Id { get; init; }

    /// <summary>The tenant that it speaks for; null for a staff key.</summary>
    public required TenantId? Tenant { get; init; }

    /// <summary>Name for people.</summary>
    public required string Name { get; init; }

    /// <summary>The first characters, to recognise it by.</summary>
    public required string Prefix { get; init; }

    /// <summary>owner, admin, editor, viewer or staff.</summary>
    public required string Role { get; init; }

    /// <summary>What it is narrowed to; null = everything that the role allows.</summary>
    public IReadOnlyList<string>? Scopes { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>By whom.</summary>
    public required string CreatedBy { get; init; }

    /// <summary>From when on it is refused; null = never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>When it was last used, to the minute.</summary>
    public DateTimeOffset? LastUsedAt { get; init; }

    /// <summary>When it was revoked; null = it was not.</summary>
    public DateTimeOffset? RevokedAt { get; init; }

    /// <summary>Its name in histories and audits.</summary>
    public string Actor => _actor ??= $"key:{Id}";

    /// <summary>A new random key.</summary>
    internal static string NewKey() => Mark + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));

    internal static string PrefixOf(string key) =>
        key.StartsWith(Mark, StringComparison.Ordinal) ? key[..PrefixLength] : "";
}

/// <summary>
/// SHA-256 of an API key. Looked up by equality of hashes, so the time of a look-up says nothing about a key: a guess
/// would have to be steered to a hash. No salt or stretching: the input is 32 random bytes.
/// </summary>
public readonly record struct ApiKeyHash
{
    private readonly UInt128 _high;
    private readonly UInt128 _low;

    private ApiKeyHash(ReadOnlySpan<byte> hash)
    {
        _high = System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(hash);
        _low = System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(hash[16..]);
    }

    /// <summary>The hash of a key.</summary>
    public static ApiKeyHash Of(ReadOnlySpan<char> key)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        var size = Encoding.UTF8.GetMaxByteCount(key.Length);
        var bytes = size <= 512 ? stackalloc byte[512] : new byte[size];
        SHA256.HashData(bytes[..Encoding.UTF8.GetBytes(key, bytes)], hash);
        return new ApiKeyHash(hash);
    }

    internal byte[] ToBytes()
    {
        var bytes = new byte[SHA256.HashSizeInBytes];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes, _high);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes.AsSpan(16), _low);
        return bytes;
    }
}
