using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;

namespace TenantDocs.Benchmarks.Driving;

/// <summary>
/// One keep-alive HTTP/1.1 connection on a blocking socket: a send and a receive per request, no allocation. The load must
/// cost as little as possible, and the same for every host, because it shares the cores with what is measured.
/// </summary>
internal sealed class HttpConnection : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
    {
        NoDelay = true,
        ReceiveTimeout = 30_000,
    };
    private byte[] _buffer = new byte[256 * 1024];
    private int _start;
    private int _end;

    public HttpConnection(int port) => _socket.Connect(new IPEndPoint(IPAddress.Loopback, port));

    /// <summary>Sends a request; returns the status and the length of the body, which <see cref="Body"/> then shows.</summary>
    public (int Status, int Length) Send(byte[] request)
    {
        _socket.Send(request);
        _start = _end = 0;
        int head;
        while ((head = _buffer.AsSpan(0, _end).IndexOf("\r\n\r\n"u8)) < 0)
        {
            Receive();
        }

        var headers = _buffer.AsSpan(0, head + 2);
        var status = Utf8Parser.TryParse(headers[9..12], out int code, out _) ? code : 0;
        _start = head + 4;
        if (Find(headers, "Content-Length: "u8) is { Length: > 0 } length)
        {
            var bytes = Utf8Parser.TryParse(length, out int parsed, out _) ? parsed : 0;
            while (_end - _start < bytes)
            {
                Receive();
            }

            return (status, bytes);
        }

        return (status, Find(headers, "Transfer-Encoding: "u8).IsEmpty ? 0 : ReadChunks());
    }

    /// <summary>The beginning of the last answer's body, for messages.</summary>
    public string Body => System.Text.Encoding.UTF8.GetString(_buffer, _start, Math.Min(_end - _start, 400));

    public void Dispose() => _socket.Dispose();

    private int ReadChunks()
    {
        var (at, total) = (_start, 0);
        while (true)
        {
            int line;
            while ((line = _buffer.AsSpan(at, _end - at).IndexOf("\r\n"u8)) < 0)
            {
                Receive();
            }

            if (!Utf8Parser.TryParse(_buffer.AsSpan(at, line), out int size, out _, 'x'))
            {
                throw new IOException("The host sent no size of a chunk.");
            }

            var next = at + line + 2 + size + 2;
            while (_end < next)
            {
                Receive();
            }

            if (size == 0)
            {
                return total;
            }

            total += size;
            at = next;
        }
    }

    // Kestrel writes the names of these headers in exactly this form.
    private static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> headers, ReadOnlySpan<byte> name)
    {
        var at = headers.IndexOf(name);
        if (at < 0)
        {
            return default;
        }

        var value = headers[(at + name.Length)..];
        return value[..value.IndexOf((byte)'\r')];
    }

    private void Receive()
    {
        if (_end == _buffer.Length)
        {
            Array.Resize(ref _buffer, _buffer.Length * 2);
        }

        var received = _socket.Receive(_buffer.AsSpan(_end));
        if (received == 0)
        {
            throw new IOException("The host closed the connection.");
        }

        _end += received;
    }
}
