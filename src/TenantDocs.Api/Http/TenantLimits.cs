using System.Globalization;
using System.Threading.RateLimiting;
using TenantDocs.Catalog;

namespace TenantDocs.Api.Http;

/// <summary>Requests per second and at once, per tenant and node, from the tenant's tier. Costs nothing where there is no limit.</summary>
internal sealed class TenantLimits : IAsyncDisposable
{
    private readonly PartitionedRateLimiter<Limited> _rates = PartitionedRateLimiter.Create<Limited, Limited>(limited =>
        RateLimitPartition.GetTokenBucketLimiter(limited, l => Bucket(l.Limit))
    );

    private readonly PartitionedRateLimiter<Limited> _concurrency = PartitionedRateLimiter.Create<Limited, Limited>(
        limited =>
            RateLimitPartition.GetConcurrencyLimiter(
                limited,
                l => new ConcurrencyLimiterOptions { PermitLimit = l.Limit, QueueLimit = 0 }
            )
    );

    /// <summary>Takes one request from what the tenant has left, and says in the headers how much that is.</summary>
    public Error? TakeRate(HttpContext context, TenantId tenant, TierLimits limits)
    {
        if (limits.RequestsPerSecond is not { } rate)
        {
            return null;
        }

        var key = new Limited(tenant, rate);
        using var lease = _rates.AttemptAcquire(key);
        var left = _rates.GetStatistics(key)?.CurrentAvailablePermits ?? 0;
        var headers = context.Response.Headers;
        headers["RateLimit-Policy"] = string.Create(CultureInfo.InvariantCulture, $"\"tenant\";q={rate};w=1");
        headers["RateLimit"] = string.Create(CultureInfo.InvariantCulture, $"\"tenant\";r={left};t=1");
        return lease.IsAcquired ? null : TooMany($"The tenant has {rate} requests per second.");
    }

    /// <summary>Takes one place among the requests at once; disposing the lease gives it back. Null = unlimited.</summary>
    public RateLimitLease? TakePlace(TenantId tenant, TierLimits limits) =>
        limits.Concurrency is { } places ? _concurrency.AttemptAcquire(new Limited(tenant, places)) : null;

    public static Error TooMany(string detail) =>
        new(ErrorKind.RateLimited, "rate-limited", detail) { RetryAfter = TimeSpan.FromSeconds(1) };

    public async ValueTask DisposeAsync()
    {
        await _rates.DisposeAsync();
        await _concurrency.DisposeAsync();
    }

    // A slow rate comes as single tokens, a fast one in about ten parts a second; the period makes up for the part that
    // does not divide, so that the rate is the one that the header says.
    internal static TokenBucketRateLimiterOptions Bucket(int rate)
    {
        var tokens = Math.Max(1, rate / 10);
        return new TokenBucketRateLimiterOptions
        {
            TokenLimit = rate,
            QueueLimit = 0,
            TokensPerPeriod = tokens,
            ReplenishmentPeriod = TimeSpan.FromSeconds(1) * tokens / rate,
        };
    }

    // The limit is part of the key: a tenant that changes its tier gets a new limiter.
    private readonly record struct Limited(TenantId Tenant, int Limit);
}
