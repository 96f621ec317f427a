namespace TenantDocs.Benchmarks.Driving;

/// <summary>What the driver is asked to do: a closed loop of requests for a while.</summary>
/// <param name="Port">On 127.0.0.1.</param>
/// <param name="RequestFile">One request per line, each a JSON string with the bytes to send.</param>
/// <param name="Connections">Each sends its next request when the last is answered.</param>
/// <param name="Seconds">How long.</param>
/// <param name="Expect">The one status that is right; any other is an error.</param>
/// <param name="Shortest">An answer's body must have at least so many bytes.</param>
internal sealed record LoadOrder(
    int Port,
    string RequestFile,
    int Connections,
    double Seconds,
    int Expect,
    int Shortest = 0
);

/// <summary>What came of it. Latencies in microseconds.</summary>
internal sealed record LoadCount(
    long Requests,
    double Seconds,
    double Median,
    double Percentile99,
    long Bytes,
    long Errors,
    string? FirstError
)
{
    public double PerSecond => Requests / Seconds;
}
