using System.Buffers;
using Microsoft.Extensions.Options;

namespace TenantDocs.Api.Http;

/// <summary>A request's whole body in rented memory; disposing gives the memory back.</summary>
internal sealed class RequestBody : IDisposable
{
    private byte[] _buffer;
    private int _length;

    private RequestBody(int capacity) => _buffer = ArrayPool<byte>.Shared.Rent(capacity);

    /// <summary>The bytes; not to be kept beyond <see cref="Dispose"/>.</summary>
    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length);

    /// <summary>Reads the body up to the limit of <see cref="HttpOptions.MaxBodyBytes"/>; a longer one is refused (413).</summary>
    public static Task<Result<RequestBody>> ReadAsync(HttpRequest request, CancellationToken cancellationToken) =>
        ReadAsync(
            request,
            request.HttpContext.RequestServices.GetRequiredService<IOptions<HttpOptions>>().Value.MaxBodyBytes,
            cancellationToken
        );

    /// <summary>Reads the body up to a limit of the operation's own; a longer one is refused (413).</summary>
    public static async Task<Result<RequestBody>> ReadAsync(
        HttpRequest request,
        int limit,
        CancellationToken cancellationToken
    )
    {
        if (request.ContentLength > limit)
        {
            return TooLarge(limit);
        }

        var body = new RequestBody((int)(request.ContentLength ?? 4096) + 1);
        try
        {
            // The body may come without a length (chunked), so what arrives is counted as well.
            while (await body.FillAsync(request.Body, cancellationToken))
            {
                if (body._length > limit)
                {
                    body.Dispose();
                    return TooLarge(limit);
                }
            }

            return body;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
            _length = 0;
        }
    }

    private static Error TooLarge(int limit) =>
        new(ErrorKind.TooLarge, "payload-too-large", $"The body is larger than {limit} bytes. Nothing was changed.")
        {
            Extensions = new Dictionary<string, object?> { ["limit"] = limit, ["unit"] = "bytes" },
        };

    private async ValueTask<bool> FillAsync(Stream stream, CancellationToken cancellationToken)
    {
        if (_length == _buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
            Bytes.CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }

        var read = await stream.ReadAsync(_buffer.AsMemory(_length), cancellationToken);
        _length += read;
        return read > 0;
    }
}
