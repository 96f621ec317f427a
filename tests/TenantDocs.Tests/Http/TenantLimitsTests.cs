using TenantDocs.Api.Http;

namespace TenantDocs.Tests.Http;

public class TenantLimitsTests
{
    [Fact]
    public void The_sustained_rate_is_the_one_that_the_tier_says()
    {
        foreach (var rate in Enumerable.Range(1, 999).Append(12_345))
        {
            var bucket = TenantLimits.Bucket(rate);
            var sustained = bucket.TokensPerPeriod / bucket.ReplenishmentPeriod.TotalSeconds;
            Assert.True(Math.Abs(sustained - rate) < rate * 0.001, $"{rate}: {sustained}");
            Assert.Equal(rate, bucket.TokenLimit);
        }
    }
}
