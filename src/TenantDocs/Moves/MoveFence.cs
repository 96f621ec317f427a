using System.Globalization;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Moves;

/// <summary>The four changes of a tenant's fence during a move (see <c>Database/Sql/host/0003_moves.sql</c>).</summary>
internal static class MoveFence
{
    /// <summary>
    /// Holds the tenant's writes from the commit on, with a marker in the same transaction, in one round trip. Returns
    /// what the fence let in before; null when a running write of the tenant did not end within <paramref name="wait"/>.
    /// </summary>
    public static async Task<string?> TryFenceAsync(
        NpgsqlConnection source,
        MoveLeg leg,
        Guid marker,
        TimeSpan wait,
        CancellationToken cancellationToken
    )
    {
        await using var batch = new NpgsqlBatch(source);
        batch.BatchCommands.Add(Setting("lock_timeout", Milliseconds(wait)));
        // The fence is durable before the target may serve, whatever the server's default is.
        batch.BatchCommands.Add(Setting("synchronous_commit", "on"));
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("SELECT tenantdocs.fence_writes($1, $2, $3)")
            {
                Parameters = { SqlValue.Of(leg.Tenant), SqlValue.Of(leg.From.Epoch), SqlValue.Of(leg.To.Epoch) },
            }
        );
        batch.BatchCommands.Add(Marker.Command(marker));
        try
        {
            await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
            await reader.NextResultAsync(cancellationToken);
            await reader.NextResultAsync(cancellationToken);
            await reader.ReadAsync(cancellationToken);
            var access = reader.GetString(0);
            while (await reader.NextResultAsync(cancellationToken))
            {
                // to the end: the commit
            }

            return access;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            return null;
        }
    }

    /// <summary>The source lets nobody in any more.</summary>
    public static Task LeaveAsync(NpgsqlConnection source, MoveLeg leg, CancellationToken cancellationToken) =>
        ExecuteAsync(source, Leave(leg), cancellationToken);

    /// <summary>The target serves; <paramref name="marker"/> divides what was copied there from what is written there.</summary>
    public static Task ArriveAsync(
        NpgsqlConnection target,
        MoveLeg leg,
        string access,
        Guid? marker,
        CancellationToken cancellationToken
    ) => ExecuteAsync(target, Arrive(leg, access, marker), cancellationToken);

    /// <summary>
    /// How long a transaction of the pause may stand still: a process that freezes in it must not keep its locks from
    /// whoever takes the move over.
    /// </summary>
    public static readonly TimeSpan MostIdle = TimeSpan.FromSeconds(2);

    /// <summary>Both, for transactions that are committed when the move is: nobody sees them before.</summary>
    /// <remarks>
    /// The target opens without waiting for its disk (<c>synchronous_commit = off</c>): the first write that is acknowledged there
    /// takes the opening along, for the log is one sequence, and until then a server that crashes comes up closed, as it was.
    /// <see cref="FlushAsync"/> follows behind the pause.
    /// </remarks>
    public static HeldEnds Ends(MoveLeg leg, string access, Guid? marker)
    {
        NpgsqlBatchCommand idle() => Setting("idle_in_transaction_session_timeout", Milliseconds(MostIdle));
        return new HeldEnds(
            [Durable(), idle(), .. Leave(leg)],
            [Setting("synchronous_commit", "off"), idle(), .. Arrive(leg, access, marker)]
        );
    }

    /// <summary>
    /// Returns when all that this connection committed is durable. A connection does not outlive a crash of its server, so
    /// that it succeeds proves that nothing of it was lost.
    /// </summary>
    public static Task FlushAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        ExecuteAsync(
            connection,
            // A transaction that writes nothing waits for nothing. Not the markers' prefix: no stream reads it.
            [new NpgsqlBatchCommand("SELECT pg_logical_emit_message(true, 'tenantdocs.flush', '')")],
            cancellationToken
        );

    private static NpgsqlBatchCommand[] Leave(MoveLeg leg) =>
        [
            new NpgsqlBatchCommand("SELECT tenantdocs.leave($1, $2)")
            {
                Parameters = { SqlValue.Of(leg.Tenant), SqlValue.Of(leg.To.Epoch) },
            },
        ];

    private static NpgsqlBatchCommand[] Arrive(MoveLeg leg, string access, Guid? marker) =>
        [
            new NpgsqlBatchCommand("SELECT tenantdocs.arrive($1, $2, $3, $4)")
            {
                Parameters =
                {
                    SqlValue.Of(leg.Tenant),
                    SqlValue.Of(leg.To.Epoch),
                    SqlValue.Of(access),
                    SqlValue.Of(leg.Link),
                },
            },
            .. marker is { } id ? [Marker.Command(id)] : Array.Empty<NpgsqlBatchCommand>(),
        ];

    /// <summary>The source serves on, under an epoch that nobody of the aborted move carries.</summary>
    public static Task ReopenAsync(NpgsqlConnection source, MoveLeg leg, CancellationToken cancellationToken) =>
        ExecuteAsync(
            source,
            [
                new NpgsqlBatchCommand("SELECT tenantdocs.reopen($1, $2)")
                {
                    Parameters = { SqlValue.Of(leg.Tenant), SqlValue.Of(leg.AbortEpoch) },
                },
            ],
            cancellationToken
        );

    /// <summary>
    /// Runs what the pause will run once for a tenant that does not exist, which changes nothing: the first call of a
    /// function in a session costs what it takes to read and plan it, and the first run of code its compilation.
    /// </summary>
    public static async Task RehearseAsync(
        NpgsqlConnection source,
        NpgsqlConnection target,
        MoveLeg leg,
        CancellationToken cancellationToken
    )
    {
        var nobody = leg with { Tenant = Guid.NewGuid(), Link = Guid.NewGuid() };
        Func<Task>[] calls =
        [
            () => TryFenceAsync(source, nobody, Guid.NewGuid(), TimeSpan.FromSeconds(1), cancellationToken),
            () => LeaveAsync(source, nobody, cancellationToken),
            () => ArriveAsync(target, nobody, "offline", Guid.NewGuid(), cancellationToken),
        ];
        foreach (var call in calls)
        {
            try
            {
                await call();
            }
            catch (PostgresException e) when (e.SqlState == TenantSqlState.OlderEpoch)
            {
                // There is no such tenant here, as it must be.
            }
        }
    }

    /// <summary>The state of the tenant's fence at a place; null when there is none.</summary>
    public static async Task<(string State, long Epoch, string Access)?> ReadAsync(
        NpgsqlConnection connection,
        TenantId tenant,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            "SELECT state, epoch, access FROM tenantdocs.tenant_fence WHERE tenant_id = $1",
            connection
        );
        command.Parameters.Add(SqlValue.Of(tenant.Value));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? (reader.GetString(0), reader.GetInt64(1), reader.GetString(2))
            : null;
    }

    private static async Task ExecuteAsync(
        NpgsqlConnection connection,
        NpgsqlBatchCommand[] calls,
        CancellationToken cancellationToken
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(Durable());
        foreach (var call in calls)
        {
            batch.BatchCommands.Add(call);
        }

        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    // Whatever the server's default is.
    private static NpgsqlBatchCommand Durable() => Setting("synchronous_commit", "on");

    private static NpgsqlBatchCommand Setting(string name, string value) =>
        new("SELECT set_config($1, $2, true)") { Parameters = { SqlValue.Of(name), SqlValue.Of(value) } };

    private static string Milliseconds(TimeSpan span) =>
        Math.Max(1, (long)span.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
}
