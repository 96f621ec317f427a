using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using TenantDocs.Catalog;
using TenantDocs.LocalPostgres;

namespace TenantDocs.Cli;

/// <summary>Where the platform is: as the host finds it, but nothing is started.</summary>
/// <param name="ConnectionString">Of the catalog's administrator. Never shown.</param>
/// <param name="Origin">How it was found, in words.</param>
/// <param name="Servers">The servers that this place names; empty: those in the catalog.</param>
internal sealed record PlatformPlace(string ConnectionString, string Origin, IReadOnlyList<ServerRegistration> Servers)
{
    /// <summary>The host's configuration: appsettings.json beside the program, then the environment.</summary>
    public static IConfiguration Configuration() =>
        new ConfigurationBuilder()
            .SetBasePath(AppContext.BaseDirectory)
            .AddJsonFile("appsettings.json", optional: true)
            .AddEnvironmentVariables()
            .Build();

    public static ServiceProvider Services(IConfiguration configuration)
    {
        var services = new ServiceCollection();
        services.AddSingleton(configuration);
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.None));
        services.AddTenantDocs();
        return services.BuildServiceProvider();
    }

    /// <summary>Option, then configuration, then the embedded clusters that run.</summary>
    public static PlatformPlace Find(IConfiguration configuration, string? catalog, string? dataFolder)
    {
        if (catalog is { Length: > 0 })
        {
            return new PlatformPlace(catalog, "--catalog", PlatformStartup.ReadServers(configuration));
        }

        if (dataFolder is null && configuration.GetConnectionString("Catalog") is { Length: > 0 } configured)
        {
            return new PlatformPlace(
                configured,
                "ConnectionStrings:Catalog",
                PlatformStartup.ReadServers(configuration)
            );
        }

        return Embedded(
            dataFolder ?? Above(configuration["LocalPostgres:DataFolder"] ?? new LocalPostgresOptions().DataFolder)
        );
    }

    private static PlatformPlace Embedded(string folder)
    {
        var clusters = LocalPostgresState.TryRead(Path.GetFullPath(folder))?.Clusters ?? [];
        var running = clusters.Where(c => c.Runs()).ToList();
        if (running.Count == 0)
        {
            var found =
                clusters.Count == 0
                    ? $"There is no embedded PostgreSQL in '{folder}'"
                    : $"The embedded PostgreSQL in '{folder}' does not run";
            throw new CommandException(
                $"{found}, and no catalog is configured. Start the host: dotnet run --project src/TenantDocs.Api, "
                    + "or pass --catalog <connection string>, or say where it is: --data-folder <folder>."
            );
        }

        return new PlatformPlace(
            running[0].ConnectionString,
            $"embedded PostgreSQL in {folder}",
            [
                .. running.Select(c => new ServerRegistration(
                    c.Name,
                    new ServerOptions { ConnectionString = c.ConnectionString, Region = "local" }
                )),
            ]
        );
    }

    /// <summary>
    /// The host's data folder is relative to where the host was started; it is looked for here and in the folders above,
    /// so that the command works anywhere inside the project.
    /// </summary>
    private static string Above(string dataFolder)
    {
        for (var here = new DirectoryInfo(Environment.CurrentDirectory); here is not null; here = here.Parent)
        {
            var candidate = Path.Combine(here.FullName, dataFolder);
            if (Directory.Exists(candidate))
            {
                return candidate;
            }
        }

        return dataFolder;
    }
}
