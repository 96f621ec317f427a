using System.Data.Common;
using System.Reflection;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;

namespace TenantDocs.Isolation;

/// <summary>A row of a tenant table, as EF reads it.</summary>
public interface ITenantRow
{
    /// <summary>Leads every key of every tenant table.</summary>
    public Guid TenantId { get; }
}

/// <summary>
/// The EF Core view of a tenant's tables: one model for all three isolation models (it names no schema; <c>search_path</c>
/// decides), for reads. Writes are batches of the session: one round trip, where SaveChanges takes four.
/// Rooms add their tables as <see cref="IEntityTypeConfiguration{TEntity}"/>; every one of them gets the tenant filter.
/// </summary>
public sealed class TenantDbContext(DbContextOptions<TenantDbContext> options) : DbContext(options)
{
    internal TenantSession? Session { get; set; }

    /// <summary>The tenant of the unit of work; the query filter's parameter, set from another place than the policy's setting.</summary>
    /// <exception cref="TenantIsolationException">The context serves no unit of work.</exception>
    public Guid TenantId =>
        Session?.Tenant.Id.Value
        ?? throw new TenantIsolationException("A context without a unit of work was asked for data.");

    /// <inheritdoc />
    public override int SaveChanges(bool acceptAllChangesOnSuccess) =>
        throw new NotSupportedException("Writes are batches of the session (TenantSession.CreateBatch).");

    /// <inheritdoc />
    public override Task<int> SaveChangesAsync(
        bool acceptAllChangesOnSuccess,
        CancellationToken cancellationToken = default
    ) => throw new NotSupportedException("Writes are batches of the session (TenantSession.CreateBatch).");

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.ApplyConfigurationsFromAssembly(typeof(TenantDbContext).Assembly);
        var filter = typeof(TenantDbContext).GetMethod(
            nameof(FilterByTenant),
            BindingFlags.Instance | BindingFlags.NonPublic
        )!;
        foreach (var type in modelBuilder.Model.GetEntityTypes().ToList())
        {
            if (!type.ClrType.IsAssignableTo(typeof(ITenantRow)))
            {
                throw new InvalidOperationException(
                    $"{type.ClrType.Name} is mapped to a tenant table and is no {nameof(ITenantRow)}."
                );
            }

            filter.MakeGenericMethod(type.ClrType).Invoke(this, [modelBuilder]);
        }
    }

    private void FilterByTenant<TRow>(ModelBuilder modelBuilder)
        where TRow : class, ITenantRow => modelBuilder.Entity<TRow>().HasQueryFilter(row => row.TenantId == TenantId);
}

/// <summary>
/// Lends contexts. A pooled context comes back with the previous renter's connection and fields (it would read the old
/// tenant's data), so this sets session and connection, or throws; and takes both away at the end.
/// </summary>
public sealed class TenantContexts(IDbContextFactory<TenantDbContext> pool)
{
    /// <summary>A context bound to the session; dispose it before the session ends.</summary>
    internal TenantContextLease Rent(TenantSession session)
    {
        ArgumentNullException.ThrowIfNull(session);
        var context = pool.CreateDbContext();
        context.Session = session;
        context.Database.SetDbConnection(session.Connection, contextOwnsConnection: false);
        return new TenantContextLease(context);
    }
}

internal readonly struct TenantContextLease(TenantDbContext context) : IAsyncDisposable
{
    public TenantDbContext Context => context;

    public ValueTask DisposeAsync()
    {
        context.Session = null;
        context.Database.SetDbConnection(null);
        return context.DisposeAsync();
    }
}

/// <summary>Sends gate and query as one batch, skips the gate's result and hands EF the reader. Refuses any other command.</summary>
/// <remarks>Prefixing the text instead breaks EF's updates and deletes (npgsql/efcore.pg #2412, #2480).</remarks>
internal sealed class GateInterceptor : DbCommandInterceptor
{
    public override async ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command,
        CommandEventData eventData,
        InterceptionResult<DbDataReader> result,
        CancellationToken cancellationToken = default
    )
    {
        var session = SessionOf(eventData, command);
        await using var batch = new NpgsqlBatch(session.Connection);
        batch.BatchCommands.Add(session.Gate());
        var query = new NpgsqlBatchCommand(session.TextOf(command.CommandText));
        foreach (NpgsqlParameter parameter in command.Parameters)
        {
            query.Parameters.Add(parameter.Clone());
        }

        batch.BatchCommands.Add(query);
        var reader = await batch.ExecuteReaderAsync(cancellationToken);
        try
        {
            await reader.NextResultAsync(cancellationToken);
        }
        catch
        {
            // Else the connection stays busy with it, and the unit of work's next command hides this fault behind that.
            await reader.DisposeAsync();
            throw;
        }

        return InterceptionResult<DbDataReader>.SuppressWithResult(reader);
    }

    public override InterceptionResult<DbDataReader> ReaderExecuting(
        DbCommand command,
        CommandEventData eventData,
        InterceptionResult<DbDataReader> result
    ) => throw Refused();

    public override InterceptionResult<int> NonQueryExecuting(
        DbCommand command,
        CommandEventData eventData,
        InterceptionResult<int> result
    ) => throw Refused();

    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command,
        CommandEventData eventData,
        InterceptionResult<int> result,
        CancellationToken cancellationToken = default
    ) => throw Refused();

    public override InterceptionResult<object> ScalarExecuting(
        DbCommand command,
        CommandEventData eventData,
        InterceptionResult<object> result
    ) => throw Refused();

    public override ValueTask<InterceptionResult<object>> ScalarExecutingAsync(
        DbCommand command,
        CommandEventData eventData,
        InterceptionResult<object> result,
        CancellationToken cancellationToken = default
    ) => throw Refused();

    private static TenantSession SessionOf(CommandEventData eventData, DbCommand command)
    {
        if (
            eventData.Context is TenantDbContext { Session: { } session }
            && ReferenceEquals(command.Connection, session.Connection)
        )
        {
            return session;
        }

        throw new TenantIsolationException("A command without a unit of work was refused.");
    }

    private static TenantIsolationException Refused() =>
        new("Only gated asynchronous reads pass a tenant context; writes are batches of the session.");
}
