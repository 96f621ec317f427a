using System.Diagnostics;

namespace TenantDocs.LocalPostgres;

/// <summary>Runs one short program to its end and keeps what it said.</summary>
internal static class Command
{
    // PostgreSQL gets these and nothing else of the host's environment: PG* variables would redirect it, a translated message
    // could not be recognised, and the host's secrets are none of its business.
    private static readonly string[] Kept = ["PATH", "HOME", "TZ", "LD_LIBRARY_PATH", "SystemRoot", "TEMP", "TMP"];

    public static async Task<CommandResult> RunAsync(
        string program,
        IEnumerable<string> arguments,
        string folder,
        TimeSpan deadline,
        bool wholeEnvironment = false,
        CancellationToken cancel = default
    )
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            // PostgreSQL's programs look up their current directory; the host's may be closed to the server's user.
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        if (!wholeEnvironment)
        {
            var kept = Kept.Select(k => (k, v: Environment.GetEnvironmentVariable(k)))
                .Where(p => p.v is not null)
                .ToList();
            start.Environment.Clear();
            kept.ForEach(p => start.Environment[p.k] = p.v);
            start.Environment["LC_ALL"] = "C";
        }

        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(deadline);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancel.ThrowIfCancellationRequested();
            return new CommandResult(-1, $"{Path.GetFileName(program)} did not end within {deadline}.");
        }

        return new CommandResult(process.ExitCode, await output + await errors);
    }
}

internal sealed record CommandResult(int ExitCode, string Output)
{
    public bool Succeeded => ExitCode == 0;
}
