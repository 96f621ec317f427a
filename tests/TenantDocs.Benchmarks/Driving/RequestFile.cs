using System.Text;
using System.Text.Json;

namespace TenantDocs.Benchmarks.Driving;

/// <summary>Requests written out once, so that making them costs the measured rounds nothing.</summary>
internal sealed class RequestFile(string folder)
{
    public string Write(string name, IEnumerable<string> requests)
    {
        var file = Path.Combine(folder, $"{name}.requests");
        File.WriteAllLines(file, requests.Select(r => JsonSerializer.Serialize(r)));
        return file;
    }

    public static string Get(string path, string? key = null) => Head("GET", path, key) + "\r\n";

    public static string Post(string path, string? key, string json) =>
        $"{Head("POST", path, key)}Content-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(json)}\r\n\r\n{json}";

    private static string Head(string method, string path, string? key) =>
        $"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n" + (key is null ? "" : $"Authorization: Bearer {key}\r\n");
}
