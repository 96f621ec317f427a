using System.ComponentModel.DataAnnotations;

namespace TenantDocs.Isolation;

/// <summary>Settings of the section <c>Isolation</c>.</summary>
public sealed class IsolationOptions
{
    /// <summary>Server connections that this process may hold over all tenant databases together. Default 60.</summary>
    [Range(4, 10_000)]
    public int ConnectionBudget { get; set; } = 60;

    /// <summary>Server connections that one database may take of the budget. Default 40.</summary>
    [Range(1, 10_000)]
    public int MaxConnectionsPerDatabase { get; set; } = 40;

    /// <summary>Data sources kept at most; the least recently used idle one goes first. Default 256.</summary>
    [Range(4, 100_000)]
    public int MaxDataSources { get; set; } = 256;

    /// <summary>After how long without use a database's connections are closed. Default 5 minutes.</summary>
    public TimeSpan IdleLifetime { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Writes of one tenant that go on at a time in this process; the others wait for their turn, without a connection.
    /// Default: as many as there are processors, at least 4.
    /// </summary>
    [Range(1, 10_000)]
    public int MaxWritesPerTenant { get; set; } = Math.Max(4, Environment.ProcessorCount);

    /// <summary>How long a request waits for a connection within the budget, or a write for its turn. Default 5 s.</summary>
    public TimeSpan ConnectionTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a unit of work waits for its tenant's new home during a move before it gives up. Default 5 s.</summary>
    public TimeSpan MoveDeadline { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary><c>statement_timeout</c> of the request role. Default 30 s.</summary>
    public TimeSpan StatementTimeout { get; set; } = TimeSpan.FromSeconds(30);
}
