using TenantDocs.Catalog;

namespace TenantDocs.Api.Http;

/// <summary>
/// Whether this process lives, has started and may be sent requests. Never depends on a tenant's database; nor, for as long
/// as what it knows is believed without (<see cref="CatalogNews"/>), on the catalog: all nodes would go at once.
/// </summary>
internal static class HealthEndpoints
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly Dictionary<string, string> Good = new() { ["status"] = "ok" };

    public static void MapHealth(this IEndpointRouteBuilder endpoints)
    {
        var health = endpoints.MapGroup("/health").For(Audience.Public).WithHead().ExcludeFromDescription();
        health.MapGet("/live", () => Fresh(Json.Result(Good)));
        health.MapGet("/startup", (PlatformStartup startup) => Answer(startup.Ready.IsCompletedSuccessfully));
        health.MapGet(
            "/ready",
            async (
                PlatformStartup startup,
                CatalogDatabase catalog,
                CatalogNews news,
                CancellationToken cancellationToken
            ) =>
                Answer(
                    startup.Ready.IsCompletedSuccessfully
                        && (news.IsBelievedWithoutCatalog || await IsReachableAsync(catalog, cancellationToken))
                )
        );
    }

    private static IResult Answer(bool isGood) => isGood ? Fresh(Json.Result(Good)) : Problems.Of(Failures.Unavailable);

    private static async Task<bool> IsReachableAsync(CatalogDatabase catalog, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            // Reads a table of the migrations, so that "reachable" also means "migrated".
            await using var command = catalog.Source.CreateCommand("SELECT count(*) FROM servers");
            await command.ExecuteScalarAsync(patience.Token);
            return true;
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            return false; // whatever it is: not ready
        }
    }

    private static UncachedResult Fresh(IResult result) => new UncachedResult(result);

    private sealed class UncachedResult(IResult inner) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.Headers.CacheControl = "no-store";
            return inner.ExecuteAsync(httpContext);
        }
    }
}
