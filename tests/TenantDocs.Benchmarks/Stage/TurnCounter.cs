using System.Net;
using System.Net.Sockets;

namespace TenantDocs.Benchmarks.Stage;

/// <summary>
/// A proxy that counts turns: a turn begins when the client speaks after the server did. That is a network round trip,
/// however many messages it carries.
/// </summary>
internal sealed class TurnCounter : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int _target;
    private long _turns;

    public TurnCounter(int target)
    {
        _target = target;
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public long Turns => Interlocked.Read(ref _turns);

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync();
                _ = ServeAsync(client);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The row is over.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using (client)
        {
            (client.NoDelay, server.NoDelay) = (true, true);
            await server.ConnectAsync(IPAddress.Loopback, _target);
            var turn = new Turn();
            await Task.WhenAny(
                PumpAsync(client, server, () => CountIfNew(turn)),
                PumpAsync(server, client, () => Volatile.Write(ref turn.IsClients, false))
            );
        }
    }

    private void CountIfNew(Turn turn)
    {
        if (!Volatile.Read(ref turn.IsClients))
        {
            Volatile.Write(ref turn.IsClients, true);
            Interlocked.Increment(ref _turns);
        }
    }

    private static async Task PumpAsync(Socket from, Socket to, Action seen)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer) is > 0 and var count)
            {
                seen();
                await to.SendAsync(buffer.AsMemory(0, count));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // One side went away; the other follows.
        }
    }

    private sealed class Turn
    {
        public bool IsClients;
    }
}
