using Npgsql;

namespace TenantDocs.Operations;

/// <summary>Statements on the control database that commit together, in the order in which they were added.</summary>
public sealed class CatalogWrites
{
    private readonly List<NpgsqlBatchCommand> _commands = [];

    /// <summary>
    /// Adds a statement with positional parameters ($1, $2, …). <paramref name="sql"/> is a constant. A statement that
    /// must change something says so with <c>require(fact, code, message)</c>, which ends the whole transaction.
    /// </summary>
    public CatalogWrites Add(string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        _commands.Add(command);
        return this;
    }

    internal void MoveTo(NpgsqlBatch batch)
    {
        foreach (var command in _commands)
        {
            batch.BatchCommands.Add(command);
        }

        _commands.Clear();
    }
}
