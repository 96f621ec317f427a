using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using TenantDocs.Operations;

namespace TenantDocs.Benchmarks.Hosts;

/// <summary>
/// The engine as a worker without HTTP, which stops for ever at a place of a move, so that it can be killed just there. What
/// it does is told on standard output, a word a line.
/// </summary>
internal static class MoverHost
{
    public const string Ready = "ready";

    /// <summary>It holds a move and goes on when a line comes in.</summary>
    public const string Begun = "begun";

    public const string Reached = "reached";

    private const string FirstPlace = "move/PlanStep/BeforeDo";

    public static async Task<int> ServeAsync(string place)
    {
        // The engine's configuration comes by the environment, as the product's own.
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<FailPoints>(new HoldingPoints(place));
        builder.Services.AddTenantDocs();
        using var host = builder.Build();
        await host.StartAsync();
        Say(Ready);
        await host.WaitForShutdownAsync();
        return 0;
    }

    private static void Say(string word)
    {
        Console.Out.WriteLine(word);
        Console.Out.Flush();
    }

    private sealed class HoldingPoints(string place) : FailPoints
    {
        private bool _hasBegun;

        public override async ValueTask ReachAsync(string point, CancellationToken cancellationToken)
        {
            if (point == FirstPlace && !_hasBegun)
            {
                _hasBegun = true;
                Say(Begun);
                await Console.In.ReadLineAsync(cancellationToken);
            }

            if (point == place)
            {
                Say(Reached);
                // Its heartbeats go on, as those of a process that dies in the next moment do.
                await Task.Delay(Timeout.Infinite, CancellationToken.None);
            }
        }
    }
}
