using System.Runtime.InteropServices;
using TenantDocs.Cli.Catalog;
using TenantDocs.Cli.Database;
using TenantDocs.Cli.Fleet;
using TenantDocs.Cli.Import;
using TenantDocs.Cli.Isolation;
using TenantDocs.Cli.Moves;
using TenantDocs.Cli.Operations;

namespace TenantDocs.Cli;

internal static class Program
{
    /// <summary>The commands, room by room. A further room adds its line here.</summary>
    public static IEnumerable<CliCommand> Commands() =>
        [
            TenantCommands.Create(),
            OperationCommands.Create(),
            ServerCommands.Create(),
            StatusCommand.Create(),
            DoctorCommand.Create(),
            MigrateCommand.Create(),
            ImportCommand.Create(),
            MoveCommands.Create(),
            RebalanceCommands.Create(),
            PsqlCommand.Create(),
        ];

    private static async Task<int> Main(string[] args)
    {
        using var stop = new CancellationTokenSource();
        // The first signal asks the command to end, a second one ends the process as ever.
        void Stop(PosixSignalContext context)
        {
            context.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await CommandLine.RunAsync(args, Console.Out, Console.Error, stop.Token);
    }
}
