using System.Data;
using Npgsql;
using NpgsqlTypes;
using TenantDocs.Catalog;

namespace TenantDocs.Isolation;

/// <summary>Whether a unit of work reads or writes; decides which gate function opens it.</summary>
public enum SessionMode
{
    /// <summary><c>enter_read</c>.</summary>
    Read,

    /// <summary><c>enter_write</c>.</summary>
    Write,
}

/// <summary>
/// One unit of work of one tenant on one connection. Tenant, epoch and mode are fixed at birth. Every command goes out in
/// the same network round trip as the gate function that admits it and sets the tenant, for that transaction only.
/// </summary>
public sealed class TenantSession
{
    private const string EnterRead = "SELECT tenantdocs.enter_read($1, $2)";
    private const string EnterWrite = "SELECT tenantdocs.enter_write($1, $2)";

    private readonly NpgsqlConnection _connection;

    internal TenantSession(NpgsqlConnection connection, Tenant tenant, SessionMode mode)
    {
        _connection = connection;
        Tenant = tenant;
        Mode = mode;
    }

    /// <summary>The tenant that this session serves.</summary>
    public Tenant Tenant { get; }

    /// <summary>Reads or writes.</summary>
    public SessionMode Mode { get; }

    internal NpgsqlConnection Connection => _connection;

    /// <summary>
    /// A batch whose first command is the gate. All its commands are one implicit transaction, sent in one round trip
    /// and committed by the server at its end, or rolled back as a whole by the first error.
    /// </summary>
    public TenantBatch CreateBatch() => new(this);

    internal NpgsqlBatchCommand Gate() =>
        Gate(Mode is SessionMode.Read ? EnterRead : EnterWrite, Tenant.Id.Value, Tenant.Placement.Epoch);

    /// <summary>
    /// The text under which connections keep a statement prepared. Where <c>search_path</c> alternates, each schema has
    /// its own: PostgreSQL plans a prepared statement anew whenever it runs under another path than the time before
    /// (https://www.postgresql.org/docs/current/sql-prepare.html).
    /// </summary>
    internal string TextOf(string sql) =>
        Tenant.Placement.Isolation is IsolationModel.Schema ? $"{sql}\n-- {Tenant.Placement.Schema.Name}" : sql;

    private static NpgsqlBatchCommand Gate(string sql, Guid tenant, long epoch) =>
        new(sql)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid> { TypedValue = tenant, NpgsqlDbType = NpgsqlDbType.Uuid },
                new NpgsqlParameter<long> { TypedValue = epoch, NpgsqlDbType = NpgsqlDbType.Bigint },
            },
        };
}

/// <summary>A gated batch. Positional parameters ($1, $2, …) only: they need no rewriting of the text.</summary>
public sealed class TenantBatch : IAsyncDisposable
{
    private readonly TenantSession _session;
    private readonly NpgsqlBatch _batch;

    internal TenantBatch(TenantSession session)
    {
        _session = session;
        _batch = new NpgsqlBatch(session.Connection);
        _batch.BatchCommands.Add(session.Gate());
    }

    /// <summary>Adds a statement. <paramref name="sql"/> is a constant; values go into <paramref name="parameters"/>.</summary>
    public TenantBatch Add(string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlBatchCommand(_session.TextOf(sql));
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        _batch.BatchCommands.Add(command);
        return this;
    }

    /// <summary>Sends the batch; the reader stands before the first row of the first added statement.</summary>
    public async Task<NpgsqlDataReader> ReadAsync(CancellationToken cancellationToken)
    {
        var reader = await _batch.ExecuteReaderAsync(CommandBehavior.Default, cancellationToken);
        try
        {
            await reader.NextResultAsync(cancellationToken);
            return reader;
        }
        catch
        {
            await reader.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends the batch and reads nothing; returns the rows that its statements changed, in all.</summary>
    public Task<int> ExecuteAsync(CancellationToken cancellationToken) =>
        _batch.ExecuteNonQueryAsync(cancellationToken);

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _batch.DisposeAsync();
}

/// <summary>Short names for typed, unnamed parameters.</summary>
public static class SqlValue
{
    /// <summary>uuid.</summary>
    public static NpgsqlParameter Of(Guid value) =>
        new NpgsqlParameter<Guid> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Uuid };

    /// <summary>uuid or NULL.</summary>
    public static NpgsqlParameter Of(Guid? value) => Nullable(value, NpgsqlDbType.Uuid);

    /// <summary>bigint.</summary>
    public static NpgsqlParameter Of(long value) =>
        new NpgsqlParameter<long> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Bigint };

    /// <summary>bigint or NULL.</summary>
    public static NpgsqlParameter Of(long? value) => Nullable(value, NpgsqlDbType.Bigint);

    /// <summary>integer.</summary>
    public static NpgsqlParameter Of(int value) =>
        new NpgsqlParameter<int> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Integer };

    /// <summary>real.</summary>
    public static NpgsqlParameter Of(float value) =>
        new NpgsqlParameter<float> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Real };

    /// <summary>text or NULL.</summary>
    public static NpgsqlParameter Of(string? value) => Reference(value, NpgsqlDbType.Text);

    /// <summary>text[].</summary>
    public static NpgsqlParameter Of(string[] value) => Reference(value, NpgsqlDbType.Array | NpgsqlDbType.Text);

    /// <summary>uuid[].</summary>
    public static NpgsqlParameter Of(Guid[] value) => Reference(value, NpgsqlDbType.Array | NpgsqlDbType.Uuid);

    /// <summary>bigint[].</summary>
    public static NpgsqlParameter Of(long[] value) => Reference(value, NpgsqlDbType.Array | NpgsqlDbType.Bigint);

    /// <summary>timestamptz[].</summary>
    public static NpgsqlParameter Of(DateTimeOffset[] value) =>
        Reference(Array.ConvertAll(value, time => time.UtcDateTime), NpgsqlDbType.Array | NpgsqlDbType.TimestampTz);

    /// <summary>bytea.</summary>
    public static NpgsqlParameter Of(byte[] value) => Reference(value, NpgsqlDbType.Bytea);

    /// <summary>timestamptz.</summary>
    public static NpgsqlParameter Of(DateTimeOffset value) =>
        new NpgsqlParameter<DateTime> { TypedValue = value.UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz };

    /// <summary>timestamptz or NULL.</summary>
    public static NpgsqlParameter Of(DateTimeOffset? value) => Nullable(value?.UtcDateTime, NpgsqlDbType.TimestampTz);

    /// <summary>json, from JSON text: kept letter by letter.</summary>
    public static NpgsqlParameter Json(string? value) => Reference(value, NpgsqlDbType.Json);

    private static NpgsqlParameter Reference<T>(T? value, NpgsqlDbType type)
        where T : class =>
        value is null
            ? new NpgsqlParameter { Value = DBNull.Value, NpgsqlDbType = type }
            : new NpgsqlParameter<T> { TypedValue = value, NpgsqlDbType = type };

    private static NpgsqlParameter Nullable<T>(T? value, NpgsqlDbType type)
        where T : struct =>
        value is { } present
            ? new NpgsqlParameter<T> { TypedValue = present, NpgsqlDbType = type }
            : new NpgsqlParameter { Value = DBNull.Value, NpgsqlDbType = type };
}
