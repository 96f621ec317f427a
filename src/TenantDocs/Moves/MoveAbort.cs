using Microsoft.Extensions.Logging;
using Npgsql;
using TenantDocs.Isolation;
using TenantDocs.Operations;

namespace TenantDocs.Moves;

/// <summary>
/// Gives a leg up: first the catalog says so, by compare-and-set, then the source serves on. In this order, because a
/// mover that sleeps at its last step would otherwise commit the move of a source that is open again.
/// </summary>
internal static partial class MoveAbort
{
    private const string AlreadyCommitted = "TD022";

    private const string AbortSql = $"""
        WITH aborted AS (
            UPDATE placements SET epoch = $4
             WHERE tenant_id = $1 AND server = $2 AND database_name = $3 AND epoch <= $4 RETURNING 1)
        SELECT require((SELECT count(*) FROM aborted) = 1, '{AlreadyCommitted}', 'the tenant lives at the target')
        """;

    /// <summary>Returns true when the source serves; false when the move was committed before: then it only goes forward.</summary>
    public static async Task<bool> AbortAsync(
        MoveTools tools,
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        try
        {
            await context.SaveAsync(
                cancellationToken,
                new CatalogWrites().Add(
                    AbortSql,
                    SqlValue.Of(leg.Tenant),
                    SqlValue.Of(leg.From.Server),
                    SqlValue.Of(leg.From.Database),
                    SqlValue.Of(leg.AbortEpoch)
                )
            );
        }
        catch (PostgresException e) when (e.SqlState == AlreadyCommitted)
        {
            return false;
        }

        await ReopenAsync(tools, leg, cancellationToken);
        tools.Routes.Forget(leg.TenantId);
        return true;
    }

    // A source that is down now must not stay fenced when it comes back: this does not give up.
    private static async Task ReopenAsync(MoveTools tools, MoveLeg leg, CancellationToken cancellationToken)
    {
        var pause = TimeSpan.FromMilliseconds(50);
        while (true)
        {
            try
            {
                await using var source = await tools.OpenAsync(leg, leg.Source, cancellationToken);
                await MoveFence.ReopenAsync(source, leg, cancellationToken);
                return;
            }
            catch (Exception e) when (OperationFaults.IsTransient(e) && !cancellationToken.IsCancellationRequested)
            {
                SourceUnreachable(tools.Logger, e, leg.Tenant);
                await Task.Delay(pause, tools.Time, cancellationToken);
                pause = pause < TimeSpan.FromSeconds(1) ? pause * 2 : pause;
            }
        }
    }

    [LoggerMessage(
        5002,
        LogLevel.Warning,
        "The source of an aborted move cannot be reached to open it again; trying on (tenant {Tenant})."
    )]
    private static partial void SourceUnreachable(ILogger logger, Exception exception, Guid tenant);
}
