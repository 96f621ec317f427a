namespace TenantDocs.Cli;

/// <summary>What the process says at its end; part of the command line's contract.</summary>
internal static class ExitCode
{
    public const int Done = 0;

    /// <summary>Refused, failed, or done with parts left out; the reason is on stderr.</summary>
    public const int Failed = 1;

    /// <summary>The command line itself was wrong; nothing was tried.</summary>
    public const int Usage = 2;

    /// <summary>Stopped by a signal.</summary>
    public const int Cancelled = 130;
}

/// <summary>Ends a command with words for the operator: what happened, what was kept, what to do next.</summary>
internal sealed class CommandException(string message, int exitCode = ExitCode.Failed) : Exception(message)
{
    public int ExitCode { get; } = exitCode;

    /// <summary>The words for an expected answer of the engine.</summary>
    public static CommandException From(Error error)
    {
        var faults = error.Errors?.SelectMany(f => f.Value.Select(v => $"\n  {f.Key}: {v}")) ?? [];
        return new CommandException($"{error.Detail} ({error.Code}){string.Concat(faults)}");
    }
}
