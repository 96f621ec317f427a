using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using TenantDocs.Catalog;

namespace TenantDocs.Api.Http;

/// <summary>The list that a cursor belongs to: a cursor means nothing anywhere else.</summary>
/// <param name="Tenant">The tenant; null for lists of the admin API.</param>
/// <param name="List">Name of the list.</param>
/// <param name="Query">Filter and sort in one normal form: <see cref="RequestQuery.Signature"/>.</param>
internal readonly record struct CursorScope(TenantId? Tenant, string List, string Query);

/// <summary>
/// Positions in lists that travel through the client: opaque, and authenticated with a secret of the platform's, so that a
/// changed one, or one of another tenant, list, filter or sort, is refused.
/// </summary>
internal sealed class Cursors(Func<CancellationToken, Task<byte[]>> secret)
{
    /// <summary>Name of the secret in the catalog's settings.</summary>
    public const string SecretName = "cursors";

    private const int TagLength = 16;
    private const int LongestText = 8192;
    private byte[]? _secret;

    /// <summary>A cursor for the position behind the item with these sort keys.</summary>
    public async ValueTask<string> WriteAsync(
        CursorScope scope,
        IReadOnlyList<string> keys,
        CancellationToken cancellationToken
    )
    {
        var key = _secret ??= await secret(cancellationToken);
        var position = Pack(keys);
        return Base64Url.EncodeToString([.. Tag(key, scope, position), .. position]);
    }

    /// <summary>The sort keys in a cursor of this list; anything else is <c>invalid-cursor</c>.</summary>
    public async ValueTask<Result<IReadOnlyList<string>>> ReadAsync(
        CursorScope scope,
        string cursor,
        CancellationToken cancellationToken
    )
    {
        var key = _secret ??= await secret(cancellationToken);
        return
            TryDecode(cursor, out var bytes)
            && CryptographicOperations.FixedTimeEquals(
                bytes.AsSpan(0, TagLength),
                Tag(key, scope, bytes.AsSpan(TagLength))
            )
            ? Unpack(bytes.AsSpan(TagLength))
            : new Error(
                ErrorKind.Invalid,
                "invalid-cursor",
                "The cursor does not belong to this list with this filter and sort. Start again without one."
            );
    }

    private static bool TryDecode(string cursor, out byte[] bytes)
    {
        bytes = [];
        if (cursor.Length > LongestText || !Base64Url.IsValid(cursor))
        {
            return false;
        }

        bytes = Base64Url.DecodeFromChars(cursor);
        // The last character has spare bits, and white space is skipped: only the text that we wrote is ours.
        return bytes.Length >= TagLength && Base64Url.EncodeToString(bytes) == cursor;
    }

    private static byte[] Tag(byte[] secret, CursorScope scope, ReadOnlySpan<byte> position)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, secret);
        // Lengths first, so that no two different scopes run together into the same bytes.
        hmac.AppendData(Pack([scope.Tenant?.ToString() ?? "", scope.List, scope.Query]));
        hmac.AppendData(position);
        return hmac.GetHashAndReset()[..TagLength];
    }

    private static byte[] Pack(IReadOnlyList<string> texts)
    {
        var bytes = new byte[texts.Sum(t => sizeof(int) + Encoding.UTF8.GetByteCount(t))];
        var rest = bytes.AsSpan();
        foreach (var text in texts)
        {
            var length = Encoding.UTF8.GetBytes(text, rest[sizeof(int)..]);
            BinaryPrimitives.WriteInt32BigEndian(rest, length);
            rest = rest[(sizeof(int) + length)..];
        }

        return bytes;
    }

    private static List<string> Unpack(ReadOnlySpan<byte> bytes)
    {
        var texts = new List<string>();
        while (!bytes.IsEmpty)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(bytes);
            texts.Add(Encoding.UTF8.GetString(bytes.Slice(sizeof(int), length)));
            bytes = bytes[(sizeof(int) + length)..];
        }

        return texts;
    }
}
