using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace TenantDocs.Cli;

/// <summary>A column of a table.</summary>
internal sealed record Column<T>(string Header, Func<T, object?> Cell);

/// <summary>
/// Where a command speaks: results on stdout, as a table or as JSON; everything else on stderr. Plain text without frames
/// or colours where there is no terminal.
/// </summary>
internal sealed class Terminal(TextWriter output, TextWriter error, bool json, bool colours)
{
    private static readonly JsonSerializerOptions Shape = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    // Wide enough that nothing is wrapped: a program that reads lines wants one line per thing.
    private const int Unbounded = 10_000;

    private readonly bool _colours = colours && Environment.GetEnvironmentVariable("NO_COLOR") is null or "";

    public bool Json => json;

    public TextWriter Output => output;

    /// <summary>Whether a progress bar may be drawn on stderr.</summary>
    public bool IsErrorTerminal => ReferenceEquals(error, Console.Error) && !Console.IsErrorRedirected;

    private bool IsOutputTerminal => ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;

    /// <summary>A console on stderr, for progress.</summary>
    public IAnsiConsole Progress => Create(error, IsErrorTerminal);

    /// <summary>A word to the operator, on stderr.</summary>
    public void Say(string text) => error.WriteLine(text);

    /// <summary>The items: a table for people; for programs the whole <paramref name="shape"/> of each.</summary>
    public void List<T>(IEnumerable<T> items, Func<T, object> shape, params Column<T>[] columns)
    {
        if (json)
        {
            WriteJson(items.Select(shape));
            return;
        }

        var table = new Table { Border = IsOutputTerminal ? TableBorder.Simple : TableBorder.None };
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(new Text(column.Header, Look(Color.Grey))).NoWrap());
        }

        foreach (var item in items)
        {
            table.AddRow(columns.Select(c => new Text(Words(c.Cell(item)))));
        }

        Write(table);
    }

    /// <summary>One thing: its fields below each other, or its whole <paramref name="shape"/>.</summary>
    public void Show(object shape, params (string Name, object? Value)[] fields)
    {
        if (json)
        {
            WriteJson(shape);
            return;
        }

        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        foreach (var (name, value) in fields.Where(f => f.Value is not null and not ""))
        {
            grid.AddRow(new Text(name, Look(Color.Grey)), new Text(Words(value)));
        }

        Write(grid);
    }

    public void WriteJson(object value) => output.WriteLine(JsonSerializer.Serialize(value, Shape));

    private static string Words(object? value) =>
        value switch
        {
            null => "-",
            DateTimeOffset time => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", null),
            Enum e => JsonNamingPolicy.CamelCase.ConvertName(e.ToString()),
            bool yes => yes ? "yes" : "no",
            _ => value.ToString() ?? "",
        };

    private Style Look(Color color) => _colours ? new Style(color) : Style.Plain;

    private void Write(IRenderable what)
    {
        if (IsOutputTerminal)
        {
            Create(output, isTerminal: true).Write(what);
            return;
        }

        using var text = new StringWriter();
        Create(text, isTerminal: false).Write(what);
        foreach (var line in text.ToString().Split('\n').Select(l => l.TrimEnd()).Where(l => l.Length > 0))
        {
            output.WriteLine(line);
        }
    }

    private IAnsiConsole Create(TextWriter writer, bool isTerminal)
    {
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Out = new AnsiConsoleOutput(writer),
                Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
                ColorSystem = isTerminal && _colours ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
                Interactive = isTerminal ? InteractionSupport.Detect : InteractionSupport.No,
            }
        );
        if (!isTerminal)
        {
            console.Profile.Width = Unbounded;
        }

        return console;
    }
}
