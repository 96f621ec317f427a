using System.Globalization;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>What a command about moves is asked for.</summary>
internal sealed record MoveSettings
{
    /// <summary>The command.</summary>
    public required string Name { get; init; }

    public string To { get; init; } = "database";

    public string Server { get; init; } = "local-2";

    public int Megabytes { get; init; } = 5;

    public int Moves { get; init; } = 1;

    /// <summary>How often the mover is killed at each place.</summary>
    public int Rounds { get; init; } = 3;

    /// <summary>The only place to kill the mover at; without it all.</summary>
    public string At { get; init; } = "";

    public int Writers { get; init; } = 8;

    public int Readers { get; init; } = 8;

    public int Seconds { get; init; } = 5;

    /// <summary>Requests per second of each client; 0: the next one when the last is answered.</summary>
    public int Rate { get; init; }

    /// <summary>Where the report goes; without it only to standard output.</summary>
    public string? Out { get; init; }

    /// <summary>The same for the same set-up, however it was typed.</summary>
    public string Command
    {
        get
        {
            var defaults = DefaultsOf(Name);
            return string.Join(
                ' ',
                [
                    $"deploy/dev {Name}",
                    .. Option("to", To, defaults.To),
                    .. Option("server", Server, defaults.Server),
                    .. Option("megabytes", Megabytes, defaults.Megabytes),
                    .. Option("moves", Moves, defaults.Moves),
                    .. Option("rounds", Rounds, defaults.Rounds),
                    .. Option("at", At, defaults.At),
                    .. Option("writers", Writers, defaults.Writers),
                    .. Option("readers", Readers, defaults.Readers),
                    .. Option("seconds", Seconds, defaults.Seconds),
                    .. Option("rate", Rate, defaults.Rate),
                ]
            );
        }
    }

    public static MoveSettings Parse(string name, string[] args)
    {
        var settings = DefaultsOf(name);
        for (var i = 0; i < args.Length; i += 2)
        {
            var value = i + 1 < args.Length ? args[i + 1] : throw new BenchmarkException($"'{args[i]}' has no value.");
            settings = args[i] switch
            {
                "--to" => settings with { To = value },
                "--server" => settings with { Server = value },
                "--megabytes" => settings with { Megabytes = Number(value) },
                "--moves" => settings with { Moves = Number(value) },
                "--rounds" => settings with { Rounds = Number(value) },
                "--at" => settings with { At = value },
                "--writers" => settings with { Writers = Number(value) },
                "--readers" => settings with { Readers = Number(value) },
                "--seconds" => settings with { Seconds = Number(value) },
                "--rate" => settings with { Rate = Number(value) },
                "--out" => settings with { Out = value },
                var other => throw new BenchmarkException($"There is no option '{other}'."),
            };
        }

        return settings;
    }

    // A recovery is seen where the machine is not saturated: a gap is then the product's and not the clients' queue.
    private static MoveSettings DefaultsOf(string name) =>
        name == "move-recovery"
            ? new MoveSettings
            {
                Name = name,
                Writers = 4,
                Readers = 2,
                Rate = 25,
            }
            : new MoveSettings { Name = name };

    private static string[] Option<T>(string name, T value, T otherwise) =>
        EqualityComparer<T>.Default.Equals(value, otherwise)
            ? []
            : [string.Create(CultureInfo.InvariantCulture, $"--{name} {value}")];

    private static int Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new BenchmarkException($"'{text}' is not a whole number.");
}
