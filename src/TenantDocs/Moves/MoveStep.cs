using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Operations;
using TenantDocs.Provisioning;

namespace TenantDocs.Moves;

/// <summary>What the steps of moves work with.</summary>
internal sealed class MoveTools(
    ServerConnections servers,
    OperatorConnections operators,
    TenantHomes homes,
    TenantCatalog catalog,
    TenantRoutes routes,
    CatalogDatabase database,
    TenantFence fence,
    DataSourceRegistry registry,
    TenantDoors doors,
    WritePaces paces,
    Isolations isolations,
    IOptions<MoveOptions> options,
    IOptions<IsolationOptions> isolation,
    FailPoints failPoints,
    TimeProvider time,
    ILogger<TenantMoves> logger
) : IAsyncDisposable
{
    public MoveRuns Runs { get; } = new();
    public StreamObjects Streams { get; } = new(operators);
    public TargetHome Target { get; } = new(operators, homes);
    public MovePlanner Planner { get; } = new(servers, database, isolation.Value.MoveDeadline);
    public TenantHomes Homes => homes;
    public TenantCatalog Catalog => catalog;
    public TenantRoutes Routes => routes;
    public CatalogDatabase Database => database;
    public TenantFence Fence => fence;
    public DataSourceRegistry Registry => registry;
    public TenantDoors Doors => doors;
    public WritePaces Paces => paces;
    public Isolations Isolations => isolations;
    public MoveOptions Options => options.Value;
    public TimeProvider Time => time;
    public ILogger Logger => logger;

    /// <summary>A place inside a step at which a test can end the worker; see <see cref="FailPoints"/>.</summary>
    public ValueTask ReachAsync(string point, CancellationToken cancellationToken) =>
        failPoints.ReachAsync($"move/{point}", cancellationToken);

    /// <summary>This process's run of a leg.</summary>
    public Task<MoveRun> RunAsync(OperationContext context, MoveLeg leg, CancellationToken cancellationToken) =>
        Runs.ObtainAsync(
            context,
            leg,
            token =>
                MoveRun.TakeAsync(leg, token, servers, database, Options, ReachAsync, time, logger, cancellationToken)
        );

    /// <summary>
    /// Ends what a former worker left at the source of a move that is being taken back: its sessions, with their snapshots.
    /// </summary>
    public async Task EndAtSourceAsync(MoveLeg leg, CancellationToken cancellationToken)
    {
        await using var source = await OpenAsOperatorAsync(leg.Source, cancellationToken);
        await MoveConnections.EndAllAsync(source, leg.Link, cancellationToken);
    }

    /// <summary>The same at the target: its sessions, and its right to write there when it wakes up.</summary>
    public async Task EndAtTargetAsync(MoveLeg leg, CancellationToken cancellationToken)
    {
        try
        {
            await using var target = await OpenAsOperatorAsync(leg.Target, cancellationToken);
            await MoveConnections.EndAllAsync(target, leg.Link, cancellationToken);
            await using var end = new NpgsqlCommand(
                "UPDATE tenantdocs.move_progress SET token = $2, updated_at = clock_timestamp() WHERE link = $1",
                target
            );
            end.Parameters.Add(SqlValue.Of(leg.Link));
            end.Parameters.Add(SqlValue.Of(long.MaxValue));
            await end.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException e)
            when (e.SqlState is PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.UndefinedTable)
        {
            // The target's database was not made yet.
        }
    }

    // Not as the mover: what has happened to its connections may be why the move is taken back.
    private Task<NpgsqlConnection> OpenAsOperatorAsync(Placement place, CancellationToken cancellationToken) =>
        operators.OpenAsync(place.Server, place.Database, SessionRole.Admin, cancellationToken);

    /// <summary>Ends the streams of a host that stops: they would go on reading, and come back when they are ended.</summary>
    public ValueTask DisposeAsync() => Runs.DisposeAsync();

    /// <summary>A connection to a place for a step that has no run.</summary>
    public Task<NpgsqlConnection> OpenAsync(MoveLeg leg, Placement place, CancellationToken cancellationToken) =>
        new MoveConnections(servers, leg.Link, Options.SilenceLimit).OpenAsync(place, cancellationToken);
}

/// <summary>A step of a move. Faults that no repetition cures end the move with a reason in words.</summary>
internal abstract class MoveStep(MoveTools tools) : OperationStep
{
    /// <summary>Kept by the steps of a leg.</summary>
    protected const string StartKey = "start";

    protected MoveTools Tools => tools;

    public sealed override async Task<StepOutcome> DoAsync(
        OperationContext context,
        CancellationToken cancellationToken
    )
    {
        var leg = context.Input<MoveLeg>();
        try
        {
            return await DoAsync(context, leg, cancellationToken);
        }
        catch (MoveFaultException e)
        {
            throw new OperationFailedException(
                new Error(
                    ErrorKind.Conflict,
                    "verification-failed",
                    $"{e.Message} The tenant is served where it was; nothing was lost. Look what else writes to these rows, then ask "
                        + "for it again."
                )
            );
        }
        catch (Exception e) when (e is TimeoutException or DiskFullException)
        {
            throw new OperationFailedException(
                new Error(
                    ErrorKind.Unavailable,
                    "move-aborted",
                    $"{e.Message} The tenant is served where it was; nothing was lost. Ask for it again when that is mended."
                )
            );
        }
        catch (PostgresException e) when (e.SqlState == MoveSqlState.LinkLost)
        {
            throw new LeaseLostException();
        }
    }

    protected abstract Task<StepOutcome> DoAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    );

    /// <summary>This process's run, with its stream following from the leg's start.</summary>
    protected async Task<MoveRun> FollowAsync(
        OperationContext context,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        var run = await tools.RunAsync(context, leg, cancellationToken);
        run.Follow(leg.Start ?? context.Kept<Guid>(StartKey));
        run.PaceWriters(tools.Paces);
        return run;
    }
}
