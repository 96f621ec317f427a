using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Npgsql;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Cli;

/// <summary>Parses and runs one command line; every way in which it can end is an exit code and words on stderr.</summary>
internal static class CommandLine
{
    public static async Task<int> RunAsync(
        IReadOnlyList<string> args,
        TextWriter output,
        TextWriter error,
        CancellationToken cancellationToken
    )
    {
        var parsed = Root().Parse(args);
        if (parsed.Errors.Count > 0 && parsed.Action is not HelpWithExamples)
        {
            return Misused(parsed, error);
        }

        try
        {
            var configuration = new InvocationConfiguration
            {
                Output = output,
                Error = error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null, // signals are Program's
            };
            return await parsed.InvokeAsync(configuration, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await error.WriteLineAsync("Stopped. What was finished is kept.");
            return ExitCode.Cancelled;
        }
        catch (CommandException e)
        {
            await error.WriteLineAsync($"error: {e.Message}");
            return e.ExitCode;
        }
        catch (Exception e) when (Explain(e) is { } words)
        {
            await error.WriteLineAsync($"error: {words}");
            return ExitCode.Failed;
        }
    }

    private static RootCommand Root()
    {
        var root = new RootCommand("Operates a TenantDocs platform: tenants, servers, operations, imports.");
        foreach (var option in GlobalOptions.All)
        {
            root.Add(option);
        }

        foreach (var command in Program.Commands())
        {
            root.Add(command);
        }

        foreach (var help in root.Options.OfType<HelpOption>())
        {
            help.Action = new HelpWithExamples((SynchronousCommandLineAction)help.Action!);
        }

        return root;
    }

    private static int Misused(ParseResult parsed, TextWriter error)
    {
        foreach (var fault in parsed.Errors.Select(e => e.Message).Distinct())
        {
            error.WriteLine($"error: {fault}");
        }

        var path = parsed.CommandResult.Command is RootCommand ? "" : $"{PathOf(parsed.CommandResult.Command)} ";
        error.WriteLine($"Nothing was done. See: tenantdocs {path}--help");
        return ExitCode.Usage;
    }

    private static string PathOf(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault(p => p is not RootCommand) is { } parent
            ? $"{PathOf(parent)} {command.Name}"
            : command.Name;

    /// <summary>Words for the faults that an operator can do something about; null for a fault of this program.</summary>
    private static string? Explain(Exception e) =>
        e switch
        {
            MigrationException => e.Message,
            TenantUnavailableException { Tenant: var tenant } =>
                $"Tenant '{tenant.Slug}' takes no such work now: it is {tenant.Status}, access {tenant.AccessMode}. "
                    + "What was finished before is kept. See: tenantdocs tenant show "
                    + tenant.Slug,
            TenantIsolationException or ConnectionBudgetException or ServerWithheldException => e.Message,
            PostgresException
            {
                SqlState: PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification
            } p => $"The server refused the login: {p.MessageText}. Check user and password in --catalog.",
            PostgresException p =>
                $"PostgreSQL refused: {p.MessageText} ({p.SqlState}). The transaction was rolled back.",
            NpgsqlException or TimeoutException =>
                $"The database cannot be reached: {e.Message}. What was finished before is kept. "
                    + "Check that it runs and that --catalog names it, then run the command again.",
            IOException or UnauthorizedAccessException => e.Message,
            _ => null,
        };
}
