using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Options;
using TenantDocs.Catalog;

namespace TenantDocs.Api.Demo;

/// <summary>
/// What a person sees once the host serves: where it is, the staff key if one was just made, and curl lines that work
/// when pasted.
/// </summary>
internal sealed partial class FirstRun(
    IServiceProvider services,
    IServer server,
    IConfiguration configuration,
    IOptions<DemoOptions> options,
    ApiKeys keys,
    IHostApplicationLifetime lifetime,
    ILogger<FirstRun> logger
) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        // Before the first request: a configured key must work as soon as the host answers.
        var staffKey = await keys.EnsureBootstrapKeyAsync(configuration["Admin:BootstrapKey"], cancellationToken);
        lifetime.ApplicationStarted.Register(() => _ = ShowAsync(staffKey, lifetime.ApplicationStopping));
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task ShowAsync(string? staffKey, CancellationToken cancellationToken)
    {
        try
        {
            var tenants = WantsDemo
                ? await services.GetRequiredService<DemoTenants>().EnsureAsync(cancellationToken)
                : [];
            Show(Text(staffKey, tenants));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopped before the demo was ready: the next start goes on.
        }
        catch (Exception e)
        {
            DemoFailed(logger, e);
            Show(Text(staffKey, []));
        }
    }

    private bool WantsDemo =>
        (options.Value.Preset ?? (configuration.GetConnectionString("Catalog") is { Length: > 0 } ? "none" : "small"))
            is "small";

    private string Address =>
        server.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault() ?? "http://127.0.0.1:5080";

    // Straight to the terminal and not to the log: a key that is shown once belongs to the person who started the host,
    // not to whoever reads the logs later.
    private static void Show(string text) => Console.Out.Write(text);

    private string Text(string? staffKey, IReadOnlyList<DemoTenant> tenants)
    {
        var address = Address;
        var text = new StringBuilder().AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"  TenantDocs   {address}      API page {address}/docs");
        var staff = staffKey ?? "<staff key>";
        if (staffKey is not null)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"  Staff key    {staffKey}   (shown this once: keep it)");
        }

        foreach (var tenant in tenants)
        {
            text.AppendLine()
                .AppendLine(CultureInfo.InvariantCulture, $"  # {tenant.Slug}: isolation {tenant.Isolation.ToText()}")
                .AppendLine(
                    CultureInfo.InvariantCulture,
                    $"  curl -H 'Authorization: Bearer {tenant.Key}' {address}/t/{tenant.Slug}/v1/documents"
                );
        }

        return text.AppendLine()
            .AppendLine("  # for staff")
            .AppendLine(
                CultureInfo.InvariantCulture,
                $"  curl -H 'Authorization: Bearer {staff}' {address}/admin/v1/tenants"
            )
            .AppendLine()
            .ToString();
    }

    [LoggerMessage(
        9100,
        LogLevel.Error,
        "The demo tenants could not be made; everything else is served. The next start tries again."
    )]
    private static partial void DemoFailed(ILogger logger, Exception exception);
}
