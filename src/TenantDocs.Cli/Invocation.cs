using System.CommandLine;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Fleet;
using TenantDocs.Operations;

namespace TenantDocs.Cli;

/// <summary>One run of a command: its arguments, its terminal and the platform that it works on.</summary>
internal sealed class Invocation : IAsyncDisposable
{
    private readonly ParseResult _arguments;
    private readonly Stack<IHostedService> _started = new();
    private ServiceProvider? _platform;

    public Invocation(ParseResult arguments)
    {
        _arguments = arguments;
        var configuration = arguments.InvocationConfiguration;
        Terminal = new Terminal(
            configuration.Output,
            configuration.Error,
            json: arguments.GetValue(GlobalOptions.Output) == GlobalOptions.Json,
            colours: !arguments.GetValue(GlobalOptions.NoColor)
        );
    }

    public Terminal Terminal { get; }

    public T? Value<T>(Option<T> option) => _arguments.GetValue(option);

    public T Value<T>(Argument<T> argument) => _arguments.GetValue(argument)!;

    /// <summary>True when the option stands on the command line.</summary>
    public bool Says(Option option) => _arguments.GetResult(option) is { Implicit: false };

    /// <summary>Attaches to the platform, which must have been prepared by a host or by <c>migrate</c>.</summary>
    public async Task<IServiceProvider> OpenAsync(CancellationToken cancellationToken)
    {
        var platform = Build();
        try
        {
            var startup = platform.GetRequiredService<PlatformStartup>();
            await startup.AttachAsync(Place().ConnectionString, cancellationToken);
        }
        catch (MigrationException e)
        {
            throw new CommandException(
                $"{e.Message} Start the host of this version, or bring the platform up to date: tenantdocs migrate"
            );
        }

        return platform;
    }

    /// <summary>
    /// As <see cref="OpenAsync"/>, and carries out operations itself: they go on where no host runs. What is not done when
    /// the command ends is resumed by the next host.
    /// </summary>
    public async Task<IServiceProvider> OpenWithWorkerAsync(CancellationToken cancellationToken)
    {
        var platform = await OpenAsync(cancellationToken);
        foreach (
            var part in (IHostedService[])
                [platform.GetRequiredService<OperationNotices>(), platform.GetRequiredService<OperationWorker>()]
        )
        {
            await part.StartAsync(cancellationToken);
            _started.Push(part);
        }

        return platform;
    }

    /// <summary>
    /// Does something that changes the platform, recorded for the audit before it is done, as the admin API does: under the
    /// same names, whatever comes of it.
    /// </summary>
    /// <exception cref="CommandException">The words of the engine's refusal.</exception>
    public async Task<T> RecordAsync<T>(string action, string target, object request, Func<Task<Result<T>>> act)
    {
        var audit = Build().GetRequiredService<StaffAudit>();
        var detail = JsonSerializer.SerializeToElement(new { request }, JsonSerializerOptions.Web);
        var entry = await audit.BeginAsync(
            Operator.Name,
            action,
            target,
            detail,
            traceId: null,
            CancellationToken.None
        );
        var outcome = "failed";
        try
        {
            var result = await act();
            outcome = result.Error?.Code ?? "done";
            return result.Match(value => value, error => throw CommandException.From(error));
        }
        finally
        {
            var end = JsonSerializer.SerializeToElement(new { outcome }, JsonSerializerOptions.Web);
            await audit.EndAsync(entry, end, CancellationToken.None);
        }
    }

    /// <summary>The platform's parts, not attached to anything yet.</summary>
    public ServiceProvider Build() => _platform ??= PlatformPlace.Services(PlatformPlace.Configuration());

    /// <summary>Where the platform is.</summary>
    public PlatformPlace Place() =>
        PlatformPlace.Find(
            PlatformPlace.Configuration(),
            _arguments.GetValue(GlobalOptions.Catalog),
            _arguments.GetValue(GlobalOptions.DataFolder)
        );

    public async ValueTask DisposeAsync()
    {
        while (_started.TryPop(out var part))
        {
            await part.StopAsync(CancellationToken.None);
        }

        if (_platform is { } platform)
        {
            await platform.DisposeAsync();
        }
    }
}
