using TenantDocs.Database;

namespace TenantDocs.Tests.Database;

public sealed class PostgresVersionsTests
{
    [Theory]
    [InlineData("15.13", "15.14")]
    [InlineData("16.9", "16.10")]
    [InlineData("17.0", "17.6")]
    public void A_minor_version_with_a_known_fault_is_named_with_the_one_that_repairs_it(
        string version,
        string repaired
    )
    {
        Assert.Contains(
            $"update to {repaired}",
            PostgresVersions.KnownFault(new Version(version)),
            StringComparison.Ordinal
        );
        Assert.Null(PostgresVersions.KnownFault(new Version(repaired)));
        Assert.False(PostgresVersions.IsTooOld(new Version(version)));
    }

    [Fact]
    public void What_is_older_than_15_is_refused_and_what_is_newer_than_17_is_not()
    {
        Assert.True(PostgresVersions.IsTooOld(new Version(14, 30)));
        Assert.False(PostgresVersions.IsTooOld(new Version(18, 0)));
        Assert.Null(PostgresVersions.KnownFault(new Version(18, 0)));
    }
}
