using System.Globalization;

namespace TenantDocs.Benchmarks;

/// <summary>What the command line asks for.</summary>
internal sealed record Settings
{
    /// <summary>Every row there is, in the order in which they run.</summary>
    public static readonly IReadOnlyList<string> AllRows =
    [
        "get",
        "list",
        "create",
        "trips",
        "search",
        "tenants",
        "start",
        "provisioning",
        "many",
    ];

    /// <summary>Which rows.</summary>
    public required IReadOnlyList<string> Rows { get; init; }

    /// <summary>Few and short rounds, small data: to see that it works, not to quote.</summary>
    public bool Quick { get; init; }

    /// <summary>Also peels the layers of a GET.</summary>
    public bool Profile { get; init; }

    /// <summary>Where the report goes; without it only to standard output.</summary>
    public string? Out { get; init; }

    /// <summary>The command, for the report.</summary>
    public required string Command { get; init; }

    public int Connections => 16;

    public int Rounds => Quick ? 3 : 7;

    public double Seconds => Quick ? 1.5 : 3;

    public TimeSpan LongestWarmUp => TimeSpan.FromSeconds(Quick ? 20 : 60);

    public static Settings Parse(string[] args)
    {
        var rows = new List<string>();
        var settings = new Settings
        {
            Rows = rows,
            Command =
                (
                    Environment.GetEnvironmentVariable("TENANTDOCS_BENCH_HOST") is null
                        ? "dotnet run -c Release --project tests/TenantDocs.Benchmarks -- "
                        : "deploy/dev bench "
                ) + string.Join(' ', args),
        };
        for (var i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--quick":
                    settings = settings with { Quick = true };
                    break;
                case "--profile":
                    settings = settings with { Profile = true };
                    break;
                case "--out" when i + 1 < args.Length:
                    settings = settings with { Out = args[++i] };
                    break;
                case var name when AllRows.Contains(name):
                    rows.Add(name);
                    break;
                default:
                    throw new BenchmarkException(
                        string.Create(
                            CultureInfo.InvariantCulture,
                            $"'{args[i]}' is no row and no option. Rows: {string.Join(' ', AllRows)}. Options: --quick --profile --out <file>."
                        )
                    );
            }
        }

        return rows.Count == 0 && !settings.Profile ? settings with { Rows = AllRows } : settings;
    }
}
