using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>Milliseconds of requests, by what was going on; each counts where most of its time lay.</summary>
internal sealed class PhaseLatencies
{
    private readonly List<(string Name, bool IsMove, double Seconds)> _phases = [];
    private readonly Dictionary<string, List<double>> _times = new(StringComparer.Ordinal);

    public PhaseLatencies(IReadOnlyList<Period> periods, IReadOnlyList<SentRequest> requests)
    {
        foreach (var same in periods.GroupBy(p => (p.Name, p.IsMove)).Where(g => g.Key.Name != Timeline.WarmUp))
        {
            var seconds = same.Sum(p => Stopwatch.GetElapsedTime(p.From, p.Until).TotalSeconds);
            _phases.Add((same.Key.Name, same.Key.IsMove, seconds));
            _times[same.Key.Name] = [];
        }

        var first = 0;
        foreach (var request in requests.OrderBy(r => r.From))
        {
            while (first + 1 < periods.Count && periods[first].Until <= request.From)
            {
                first++;
            }

            var most = periods[first];
            for (var i = first + 1; i < periods.Count && periods[i].From < request.Until; i++)
            {
                most =
                    periods[i].Overlap(request.From, request.Until) > most.Overlap(request.From, request.Until)
                        ? periods[i]
                        : most;
            }

            if (_times.TryGetValue(most.Name, out var times))
            {
                times.Add(request.Milliseconds);
            }
        }

        foreach (var times in _times.Values)
        {
            times.Sort();
        }

        Moving = All(isMove: true);
        Resting = All(isMove: false);
    }

    /// <summary>Of all phases of moves, in order.</summary>
    public IReadOnlyList<double> Moving { get; }

    /// <summary>Of all times without a move, in order.</summary>
    public IReadOnlyList<double> Resting { get; }

    public IReadOnlyList<double> Of(string phase) => _times.GetValueOrDefault(phase) ?? [];

    /// <summary>As Markdown; beside each longest request the longest one with no move going on.</summary>
    public string Table()
    {
        var text = new StringBuilder(
            "| | seconds | requests | p50 ms | p99 ms | p99.9 ms | longest ms | longest with no move ms | over 250 ms |\n|---|---|---|---|---|---|---|---|---|\n"
        );
        foreach (var (name, isMove, seconds) in _phases.OrderBy(p => p.IsMove))
        {
            Append(text, isMove ? $"`{name}`" : name, seconds, _times[name]);
        }

        Append(text, "all phases of moves", _phases.Where(p => p.IsMove).Sum(p => p.Seconds), Moving);
        return text.ToString();
    }

    private void Append(StringBuilder text, string name, double seconds, IReadOnlyList<double> times) =>
        text.Append(
            CultureInfo.InvariantCulture,
            $"| {name} | {seconds:0.0} | {times.Count:N0} | {times.Quantile(0.5):0.0} | {times.Quantile(0.99):0.0} | {times.Quantile(0.999):0.0} | {times.Quantile(1):0.0} | {Resting.Quantile(1):0.0} | {times.Count(t => t > 250):N0} |\n"
        );

    private List<double> All(bool isMove) =>
        [.. _phases.Where(p => p.IsMove == isMove).SelectMany(p => _times[p.Name]).Order()];
}
