using System.Globalization;
using System.Text;

namespace TenantDocs.Benchmarks;

/// <summary>One line of the main table.</summary>
/// <param name="Text">What was measured.</param>
/// <param name="Value">What came out.</param>
/// <param name="Bar">What was wanted; empty for what is only shown.</param>
/// <param name="Met">Null where there is no bar.</param>
internal sealed record Figure(string Text, string Value, string Bar, bool? Met);

/// <summary>Figures beside their bars, and the sections below them.</summary>
/// <param name="level">The Markdown level of the sections.</param>
internal class FigureTable(string level)
{
    private readonly List<Figure> _figures = [];
    private readonly StringBuilder _details = new();

    /// <summary>A figure that must be at least the bar.</summary>
    public void AtLeast(string text, double value, double bar) =>
        _figures.Add(new Figure(text, Number(value), $"≥ {Number(bar)}", value >= bar));

    /// <summary>A figure that must be at most the bar.</summary>
    public void AtMost(string text, double value, double bar, string unit = "") =>
        _figures.Add(new Figure(text, Number(value) + unit, $"≤ {Number(bar)}{unit}", value <= bar));

    /// <summary>A figure beside them.</summary>
    public void Show(string text, string value) => _figures.Add(new Figure(text, value, "", null));

    /// <summary>A section below the table.</summary>
    public void Section(string title, string text) =>
        _details.Append(CultureInfo.InvariantCulture, $"\n{level} {title}\n\n{text.TrimEnd('\n')}\n");

    public static string Number(double value) =>
        value switch
        {
            0 => "0",
            >= 100 => value.ToString("N0", CultureInfo.InvariantCulture),
            >= 10 => value.ToString("0.0", CultureInfo.InvariantCulture),
            _ => value.ToString("0.00", CultureInfo.InvariantCulture),
        };

    /// <summary>The table and what is below it.</summary>
    protected void AppendTo(StringBuilder text)
    {
        text.Append("| figure | value | bar | |\n|---|---|---|---|\n");
        foreach (var figure in _figures)
        {
            var verdict = figure.Met switch
            {
                true => "met",
                false => "**missed**",
                null => "",
            };
            text.Append(
                CultureInfo.InvariantCulture,
                $"| {figure.Text} | {figure.Value} | {figure.Bar} | {verdict} |\n"
            );
        }

        text.Append(_details);
    }
}
