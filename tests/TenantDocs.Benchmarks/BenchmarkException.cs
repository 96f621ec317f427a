namespace TenantDocs.Benchmarks;

/// <summary>The run cannot give an honest figure.</summary>
internal sealed class BenchmarkException(string message) : Exception(message);
