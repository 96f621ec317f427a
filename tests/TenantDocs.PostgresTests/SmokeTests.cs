namespace TenantDocs.PostgresTests;

public class SmokeTests
{
    [Fact]
    public void Runs() => Assert.NotNull(typeof(global::Program).Assembly);
}
