using System.Diagnostics;
using System.Text.Json;
using TenantDocs.Cli;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Cli;

/// <summary>One run of the command line, in this process or as one of its own.</summary>
internal sealed record CommandRun(int ExitCode, string Output, string Error)
{
    public JsonElement Json
    {
        get
        {
            using var document = JsonDocument.Parse(Output);
            return document.RootElement.Clone();
        }
    }

    public static async Task<CommandRun> HereAsync(Platform platform, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync(
            [.. args, "--catalog", platform.Catalog.ConnectionString],
            output,
            error,
            TestContext.Current.CancellationToken
        );
        return new CommandRun(code, output.ToString(), error.ToString());
    }

    /// <summary>Starts the program beside the tests; the caller ends it.</summary>
    public static Process Start(Platform platform, params string[] args)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        // With the tests' own list of assemblies: beside them lie fewer than the program's list names.
        var tests = Path.Combine(AppContext.BaseDirectory, "TenantDocs.PostgresTests");
        string[] host = ["exec", "--runtimeconfig", $"{tests}.runtimeconfig.json", "--depsfile", $"{tests}.deps.json"];
        var program = Path.Combine(AppContext.BaseDirectory, "TenantDocs.Cli.dll");
        foreach (var arg in (string[])[.. host, program, .. args, "--catalog", platform.Catalog.ConnectionString])
        {
            start.ArgumentList.Add(arg);
        }

        foreach (var (name, value) in Platform.Settings(platform.Prefix))
        {
            start.Environment[name.Replace(":", "__", StringComparison.Ordinal)] = value;
        }

        return Process.Start(start)!;
    }

    public static async Task<CommandRun> ProcessAsync(Platform platform, params string[] args)
    {
        using var process = Start(platform, args);
        return await EndAsync(process);
    }

    public static async Task<CommandRun> EndAsync(Process process)
    {
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new CommandRun(process.ExitCode, await output, await error);
    }
}
