using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace TenantDocs.LocalPostgres;

internal static class FreePort
{
    // Below 32768, where Linux begins to give ports to outgoing connections: one of those could hold the remembered port at the next start.
    private const int First = 20_000;
    private const int Last = 32_000;

    /// <summary>The preferred port when it is free, else a free one; another process may still take it first.</summary>
    public static int Choose(int preferred)
    {
        for (var port = preferred; ; port = RandomNumberGenerator.GetInt32(First, Last))
        {
            if (port > 0 && IsFree(port))
            {
                return port;
            }
        }
    }

    public static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
