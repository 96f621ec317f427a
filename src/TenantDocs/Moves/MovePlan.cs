using System.Xml;
using TenantDocs.Catalog;

namespace TenantDocs.Moves;

/// <summary>What is asked of a move.</summary>
public sealed record MoveRequest
{
    /// <summary>The longest pause that can be asked for, in milliseconds.</summary>
    public const int LongestPauseMs = 60_000;

    private static readonly TimeSpan LongestKeeping = TimeSpan.FromDays(30);

    /// <summary>The tier that the tenant shall have; brings its isolation unless that is said too.</summary>
    public string? Tier { get; init; }

    /// <summary>The isolation that it shall have. Default: as now.</summary>
    public IsolationModel? Isolation { get; init; }

    /// <summary>The server. Default: as now.</summary>
    public string? Server { get; init; }

    /// <summary>False: everything is made ready, and the switch waits for <see cref="TenantMoves.CutoverAsync"/>. Default true.</summary>
    public bool AutoCutover { get; init; } = true;

    /// <summary>The longest that writes may wait, in milliseconds. Default: <see cref="MoveOptions.MaxWritePauseMs"/>.</summary>
    public int? MaxWritePauseMs { get; init; }

    /// <summary>How long the way back stays open. Default: <see cref="MoveOptions.KeepSourceFor"/>.</summary>
    public TimeSpan? KeepSourceFor { get; init; }

    /// <summary>Reads what <see cref="KeepSourceFor"/> may be: an ISO 8601 duration from zero to 30 days.</summary>
    /// <returns>False when it is none, or out of that range.</returns>
    public static bool TryReadKeeping(string text, out TimeSpan duration)
    {
        try
        {
            duration = XmlConvert.ToTimeSpan(text);
            return duration >= TimeSpan.Zero && duration <= LongestKeeping;
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            // A well-formed duration can be longer than a TimeSpan.
            duration = default;
            return false;
        }
    }
}

/// <summary>How much of a table would move.</summary>
/// <param name="Name">The table.</param>
/// <param name="Rows">Its rows.</param>
/// <param name="Bytes">Their size.</param>
public sealed record MoveTableSize(string Name, long Rows, long Bytes);

/// <summary>Why a move cannot be made, or what it will not do.</summary>
/// <param name="Code">Stable, kebab-case.</param>
/// <param name="Detail">In words, with what to do.</param>
public sealed record MoveFinding(string Code, string Detail);

/// <summary>A side of a planned move.</summary>
/// <param name="Isolation">Model.</param>
/// <param name="Server">Server.</param>
public sealed record MoveSide(IsolationModel Isolation, string Server);

/// <summary>What a move would do; nothing was changed to find out.</summary>
public sealed record MovePlan
{
    /// <summary>Whose.</summary>
    public required string Tenant { get; init; }

    /// <summary>The home now.</summary>
    public required MoveSide From { get; init; }

    /// <summary>The home to be.</summary>
    public required MoveSide To { get; init; }

    /// <summary>
    /// <c>online</c>; <c>underFence</c>: the tenant's writes are held while it is copied; <c>tierOnly</c>: only the tier
    /// changes, nothing moves.
    /// </summary>
    public required string Method { get; init; }

    /// <summary>What moves.</summary>
    public required IReadOnlyList<MoveTableSize> Tables { get; init; }

    /// <summary>Rows in all.</summary>
    public long Rows => Tables.Sum(t => t.Rows);

    /// <summary>Bytes in all.</summary>
    public long Bytes => Tables.Sum(t => t.Bytes);

    /// <summary>How long copy and comparison will take, in seconds.</summary>
    public required double EstimatedSeconds { get; init; }

    /// <summary>The longest that writes may wait, in milliseconds.</summary>
    public required int MaxWritePauseMs { get; init; }

    /// <summary>What forbids the move; it can be made when this is empty.</summary>
    public required IReadOnlyList<MoveFinding> Blockers { get; init; }

    /// <summary>What it will not do, and what it will do besides.</summary>
    public required IReadOnlyList<MoveFinding> Notes { get; init; }
}
