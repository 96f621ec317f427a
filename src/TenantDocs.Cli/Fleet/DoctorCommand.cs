using Microsoft.Extensions.DependencyInjection;
using TenantDocs.Fleet;

namespace TenantDocs.Cli.Fleet;

/// <summary><c>tenantdocs doctor</c></summary>
internal static class DoctorCommand
{
    public static CliCommand Create() =>
        new CliCommand(
            "doctor",
            "Examines servers, guards, fences, leftovers and operations; exits with 1 when a check failed."
        )
        {
            Examples = ["tenantdocs doctor", "tenantdocs doctor -o json"],
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken cancellationToken)
    {
        var platform = await run.OpenAsync(cancellationToken);
        var report = await platform.GetRequiredService<Doctor>().ExamineAsync(cancellationToken);
        if (run.Terminal.Json)
        {
            run.Terminal.WriteJson(report);
        }
        else
        {
            run.Terminal.List(
                report.Checks,
                c => c,
                new("CHECK", c => c.Name),
                new("STATUS", c => c.Status),
                new("SERVER", c => c.Server),
                new("DETAIL", c => c.Detail)
            );
        }

        return report.Healthy ? ExitCode.Done : ExitCode.Failed;
    }
}
