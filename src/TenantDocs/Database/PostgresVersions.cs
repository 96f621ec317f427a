namespace TenantDocs.Database;

/// <summary>Which versions of PostgreSQL are refused, and which are served with a warning.</summary>
/// <remarks>
/// Refused is only what cannot work. A known fault of a minor version is said at every start and by the doctor, but a host
/// that refused to serve until the servers are updated would make an outage of an update that is due.
/// </remarks>
internal static class PostgresVersions
{
    private static readonly Version Minimum = new(15, 0);

    // CVE-2025-8713: statistics of the optimizer show sampled rows past a policy. Fixed in the same month in each major version.
    private static readonly Version[] Fixed = [new(15, 14), new(16, 10), new(17, 6)];

    /// <summary>True when the version is too old to be used.</summary>
    public static bool IsTooOld(Version version) => version < Minimum;

    /// <summary>What is known to be wrong with a version, in words; null when nothing is.</summary>
    public static string? KnownFault(Version version) =>
        Fixed.FirstOrDefault(f => f.Major == version.Major && version < f) is { } repaired
            ? $"PostgreSQL {version} has known faults in row-level security (CVE-2025-8713); update to {repaired} or newer."
            : null;
}
