using System.CommandLine;
using System.CommandLine.Invocation;

namespace TenantDocs.Cli;

/// <summary>A command with examples in its help.</summary>
internal sealed class CliCommand(string name, string description) : Command(name, description)
{
    /// <summary>Whole command lines, shown as they are typed.</summary>
    public IReadOnlyList<string> Examples { get; init; } = [];

    /// <summary>Adds arguments and options; returns the command.</summary>
    public CliCommand With(params IEnumerable<Symbol> symbols)
    {
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Argument argument:
                    Add(argument);
                    break;
                case Option option:
                    Add(option);
                    break;
            }
        }

        return this;
    }

    /// <summary>Sets what the command does; returns the command.</summary>
    public CliCommand Runs(Func<Invocation, CancellationToken, Task<int>> run)
    {
        SetAction(
            async (arguments, cancellationToken) =>
            {
                await using var invocation = new Invocation(arguments);
                return await run(invocation, cancellationToken);
            }
        );
        return this;
    }

    /// <summary>Sets what a command does that has nothing more to say than success; returns the command.</summary>
    public CliCommand Runs(Func<Invocation, CancellationToken, Task> run) =>
        Runs(
            async (invocation, cancellationToken) =>
            {
                await run(invocation, cancellationToken);
                return ExitCode.Done;
            }
        );
}

/// <summary>The usual help, and the examples below it.</summary>
internal sealed class HelpWithExamples(SynchronousCommandLineAction help) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var configuration = parseResult.InvocationConfiguration;
        var output = configuration.Output;
        using var text = new StringWriter();
        configuration.Output = text;
        var result = help.Invoke(parseResult);
        configuration.Output = output;
        // The library shows the assembly's name; people type the tool's.
        output.Write(text.ToString().Replace(RootCommand.ExecutableName, "tenantdocs", StringComparison.Ordinal));
        if (parseResult.CommandResult.Command is CliCommand { Examples.Count: > 0 } command)
        {
            output.WriteLine("Examples:");
            foreach (var example in command.Examples)
            {
                output.WriteLine($"  {example}");
            }

            output.WriteLine();
        }

        if (parseResult.CommandResult.Command is RootCommand)
        {
            output.WriteLine(
                "Exit codes: 0 done, 1 refused or failed (the reason is on stderr), 2 wrong usage, 130 stopped."
            );
            output.WriteLine();
        }

        return result;
    }
}
