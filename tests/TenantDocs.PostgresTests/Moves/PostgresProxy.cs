using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using Npgsql;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>
/// The network between this process and a server, as a TCP proxy on loopback: it cuts, holds or delays the connections that
/// a test means, told by their application name, and leaves the others alone.
/// </summary>
public sealed class PostgresProxy : IAsyncDisposable
{
    private const int CancelRequest = 80877102;
    private const string CancelName = "cancel";

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Link, byte> _links = new();
    private readonly Func<string, bool> _means;
    private readonly string _host;
    private readonly int _port;
    private readonly Task _accepting;
    private volatile TaskCompletionSource? _held;
    private volatile byte[]? _trigger;
    private volatile TaskCompletionSource? _triggered;

    /// <summary>Listens.</summary>
    /// <param name="server">The server's connection string.</param>
    /// <param name="means">Which connections suffer, by application name.</param>
    public PostgresProxy(string server, Func<string, bool> means)
    {
        var builder = new NpgsqlConnectionStringBuilder(server);
        // A folder is a Unix socket's: the same server listens on loopback, too.
        _host = builder.Host!.StartsWith('/') ? "127.0.0.1" : builder.Host;
        _port = builder.Port;
        _means = means;
        _listener.Start();
        builder.Host = "127.0.0.1";
        builder.Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        builder.SslMode = SslMode.Disable;
        builder.GssEncryptionMode = GssEncryptionMode.Disable;
        ConnectionString = builder.ConnectionString;
        _accepting = Task.Run(AcceptAsync);
    }

    /// <summary>The server, by way of this proxy.</summary>
    public string ConnectionString { get; }

    /// <summary>How long each byte is on its way, in each direction.</summary>
    public TimeSpan Latency { get; set; }

    /// <summary>Whether what goes in is held now.</summary>
    public bool IsSilent => _held is not null;

    /// <summary>How many connections were cut or held so far.</summary>
    public int Struck { get; private set; }

    /// <summary>Breaks the connections that are open now (RST).</summary>
    public void Cut()
    {
        foreach (var link in _links.Keys.Where(l => l.IsMeant))
        {
            Struck++;
            link.Cut();
        }
    }

    /// <summary>From now on bytes go in and none comes out, in both directions, also of new connections.</summary>
    public void Hold()
    {
        Struck += _links.Keys.Count(l => l.IsMeant);
        _held ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Holds as soon as a client sends these bytes; they go through, and nothing after them. Ends when that is so.</summary>
    public Task HoldBehindAsync(byte[] bytes)
    {
        var triggered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _triggered = triggered;
        _trigger = bytes;
        return triggered.Task.WaitAsync(TimeSpan.FromMinutes(1));
    }

    /// <summary>What was held goes on, as after a lost route came back.</summary>
    public void Release() => Interlocked.Exchange(ref _held, null)?.SetResult();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        foreach (var link in _links.Keys)
        {
            link.Cut();
        }

        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(_links.Keys.Select(l => l.Ended)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            var client = await _listener.AcceptSocketAsync(_stop.Token);
            client.NoDelay = true;
            var link = new Link(client);
            _links[link] = 0;
            link.Ended = Task.Run(() => CarryAsync(link));
        }
    }

    private async Task CarryAsync(Link link)
    {
        try
        {
            var head = await ReadHeadAsync(link.Client);
            var application = ApplicationOf(head);
            link.IsMeant = _means(application);
            if (application == CancelName && _held is not null)
            {
                // Over a lost network it would not even connect; where it does, Npgsql waits for its end without a limit.
                link.Cut();
                return;
            }

            await PassAsync(link);
            await link.Server.ConnectAsync(_host, _port, _stop.Token);
            link.Server.NoDelay = true;
            await link.Server.SendAsync(head, _stop.Token);
            await Task.WhenAny(
                PumpAsync(link, link.Client, link.Server, fromClient: true),
                PumpAsync(link, link.Server, link.Client, fromClient: false)
            );
        }
        catch (Exception e)
            when (e is SocketException or ObjectDisposedException or OperationCanceledException or IOException)
        {
            // One side ended, which ends the other.
        }
        finally
        {
            link.Client.Dispose();
            link.Server.Dispose();
            _links.TryRemove(link, out _);
        }
    }

    private async Task PumpAsync(Link link, Socket from, Socket to, bool fromClient)
    {
        // As much may be on its way as fits into a usual socket buffer or two; then the sender waits.
        var way = Channel.CreateBounded<(long Sent, byte[] Bytes, bool IsLast)>(32);
        var sending = Task.Run(() => SendAsync(link, way.Reader, to));
        try
        {
            var buffer = new byte[16 * 1024];
            while (await from.ReceiveAsync(buffer, _stop.Token) is > 0 and var read)
            {
                var bytes = buffer.AsSpan(0, read).ToArray();
                var isLast = fromClient && link.IsMeant && _trigger is { } text && bytes.AsSpan().IndexOf(text) >= 0;
                if (isLast)
                {
                    _trigger = null;
                    Hold();
                    _triggered!.TrySetResult();
                }

                await way.Writer.WriteAsync((TimeProvider.System.GetTimestamp(), bytes, isLast), _stop.Token);
            }
        }
        finally
        {
            way.Writer.Complete();
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task SendAsync(Link link, ChannelReader<(long Sent, byte[] Bytes, bool IsLast)> way, Socket to)
    {
        try
        {
            await foreach (var (sent, bytes, isLast) in way.ReadAllAsync(_stop.Token))
            {
                var left = link.IsMeant ? Latency - TimeProvider.System.GetElapsedTime(sent) : TimeSpan.Zero;
                if (left > TimeSpan.Zero)
                {
                    await Task.Delay(left, _stop.Token);
                }

                if (!isLast)
                {
                    await PassAsync(link);
                }

                await to.SendAsync(bytes, _stop.Token);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            link.Cut();
        }
    }

    private async Task PassAsync(Link link)
    {
        while (link.IsMeant && _held is { } held)
        {
            await held.Task.WaitAsync(_stop.Token);
        }
    }

    // The first message: its length, a code, and for a session its settings as pairs of texts.
    private async Task<byte[]> ReadHeadAsync(Socket client)
    {
        var length = new byte[4];
        await FillAsync(client, length);
        var head = new byte[BinaryPrimitives.ReadInt32BigEndian(length)];
        length.CopyTo(head, 0);
        await FillAsync(client, head.AsMemory(4));
        return head;
    }

    private async Task FillAsync(Socket from, Memory<byte> buffer)
    {
        for (var filled = 0; filled < buffer.Length; )
        {
            var read = await from.ReceiveAsync(buffer[filled..], _stop.Token);
            filled += read > 0 ? read : throw new IOException("The client went away.");
        }
    }

    private static string ApplicationOf(byte[] head)
    {
        if (BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(4)) == CancelRequest)
        {
            return CancelName;
        }

        var texts = Encoding.UTF8.GetString(head.AsSpan(8)).Split('\0');
        var at = Array.IndexOf(texts, "application_name");
        return at >= 0 ? texts[at + 1] : "";
    }

    private sealed class Link(Socket client)
    {
        public Socket Client => client;

        public Socket Server { get; } = new(SocketType.Stream, ProtocolType.Tcp);

        public Task Ended { get; set; } = Task.CompletedTask;

        public bool IsMeant { get; set; }

        public void Cut()
        {
            // No lingering: the other end sees a reset, as when a machine in between forgets the connection.
            try
            {
                client.LingerState = new LingerOption(true, 0);
                Server.LingerState = new LingerOption(true, 0);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // Gone already.
            }

            client.Dispose();
            Server.Dispose();
        }
    }
}
