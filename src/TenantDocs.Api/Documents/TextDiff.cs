using System.Globalization;
using System.Text;
using DiffPlex;

namespace TenantDocs.Api.Documents;

/// <param name="OldStart">First line in the old text, from 1.</param>
/// <param name="OldLines">How many lines of it.</param>
/// <param name="NewStart">First line in the new text, from 1.</param>
/// <param name="NewLines">How many lines of it.</param>
/// <param name="Lines">The lines, each with its sign.</param>
internal sealed record DiffHunk(int OldStart, int OldLines, int NewStart, int NewLines, IReadOnlyList<DiffLine> Lines);

/// <param name="Sign"><c> </c> for a line that stayed, <c>-</c> removed, <c>+</c> added.</param>
/// <param name="Text">The line without its end.</param>
internal sealed record DiffLine(char Sign, string Text);

/// <summary>The difference of two texts by lines.</summary>
internal sealed class TextDiff
{
    private const int Context = 3;

    // Comparing takes time in proportion to lines × differences. Beyond this the changed part is shown as replaced whole:
    // a correct diff, only not the shortest one.
    private const int MostLinesCompared = 6000;

    // Memory: each line is some objects here and twice in the answer. Two versions that differ in more are to be read whole.
    public const int MostLines = 100_000;

    private readonly int _firstLine;
    private readonly string[] _old;
    private readonly string[] _new;
    private readonly List<(int Old, int OldCount, int New, int NewCount)> _blocks;

    private TextDiff(int firstLine, string[] old, string[] @new, List<(int, int, int, int)> blocks)
    {
        (_firstLine, _old, _new, _blocks) = (firstLine, old, @new, blocks);
        Hunks = MakeHunks();
    }

    public int Added => _blocks.Sum(b => b.NewCount);

    public int Removed => _blocks.Sum(b => b.OldCount);

    public IReadOnlyList<DiffHunk> Hunks { get; }

    /// <summary>Null when the part in which the texts differ has more than <see cref="MostLines"/> lines.</summary>
    public static TextDiff? Of(string old, string @new)
    {
        var (from, oldEnd, newEnd) = ChangedPart(old, @new);
        var oldPart = old.AsSpan(from, oldEnd - from);
        var newPart = @new.AsSpan(from, newEnd - from);
        if (oldPart.Count('\n') + newPart.Count('\n') > MostLines)
        {
            return null;
        }

        var (before, after) = (oldPart.ToString().Split('\n'), newPart.ToString().Split('\n'));
        var start = before.AsSpan().CommonPrefixLength(after);
        var most = Math.Min(before.Length, after.Length) - start;
        var end = 0;
        while (end < most && before[^(end + 1)] == after[^(end + 1)])
        {
            end++;
        }

        var left = before.AsSpan(start, before.Length - start - end);
        var right = after.AsSpan(start, after.Length - start - end);
        return new TextDiff(old.AsSpan(0, from).Count('\n'), before, after, Compare(left, right, start));
    }

    /// <summary>Where the texts differ, in whole lines with the context around: the same start in both, and an end in each.</summary>
    private static (int From, int OldEnd, int NewEnd) ChangedPart(string old, string @new)
    {
        var same = old.AsSpan().CommonPrefixLength(@new);
        var from = LineStart(old, same);
        var most = Math.Min(old.Length, @new.Length) - from;
        var tail = 0;
        while (tail < most && old[^(tail + 1)] == @new[^(tail + 1)])
        {
            tail++;
        }

        // The end of the line in which the common end begins, and the lines after it that are shown around.
        var end = old.Length - tail;
        for (var line = 0; line <= Context && end < old.Length; line++)
        {
            var next = old.IndexOf('\n', line == 0 ? end : end + 1);
            end = next < 0 ? old.Length : next;
        }

        for (var line = 0; line < Context && from > 0; line++)
        {
            from = LineStart(old, from - 1);
        }

        return (from, end, @new.Length - (old.Length - end));
    }

    private static int LineStart(string text, int at) => at == 0 ? 0 : text.LastIndexOf('\n', at - 1) + 1;

    /// <summary>The difference in the form that patch reads; empty when the texts are equal.</summary>
    public string ToUnified(string oldName, string newName)
    {
        if (Hunks.Count == 0)
        {
            return "";
        }

        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"--- {oldName}\n+++ {newName}\n");
        foreach (var hunk in Hunks)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"@@ -{hunk.OldStart},{hunk.OldLines} +{hunk.NewStart},{hunk.NewLines} @@\n"
            );
            foreach (var line in hunk.Lines)
            {
                text.Append(line.Sign).Append(line.Text).Append('\n');
            }
        }

        return text.ToString();
    }

    private static List<(int, int, int, int)> Compare(ReadOnlySpan<string> left, ReadOnlySpan<string> right, int offset)
    {
        if (left.IsEmpty && right.IsEmpty)
        {
            return [];
        }

        // One empty line joined is the empty text, which DiffPlex takes for no line at all.
        if (IsBlank(left) || IsBlank(right) || left.Length + right.Length > MostLinesCompared)
        {
            return [(offset, left.Length, offset, right.Length)];
        }

        var result = new Differ().CreateCustomDiffs(
            string.Join('\n', left),
            string.Join('\n', right),
            ignoreWhiteSpace: false,
            text => text.Split('\n')
        );
        return
        [
            .. result.DiffBlocks.Select(b =>
                (b.DeleteStartA + offset, b.DeleteCountA, b.InsertStartB + offset, b.InsertCountB)
            ),
        ];
    }

    private static bool IsBlank(ReadOnlySpan<string> lines) => lines.IsEmpty || lines is [""];

    private List<DiffHunk> MakeHunks()
    {
        var hunks = new List<DiffHunk>();
        for (var first = 0; first < _blocks.Count; )
        {
            var last = first;
            while (
                last + 1 < _blocks.Count
                && _blocks[last + 1].Old - (_blocks[last].Old + _blocks[last].OldCount) <= 2 * Context
            )
            {
                last++;
            }

            hunks.Add(MakeHunk(first, last));
            first = last + 1;
        }

        return hunks;
    }

    private DiffHunk MakeHunk(int first, int last)
    {
        var lead = Math.Min(Context, _blocks[first].Old);
        var (old, @new) = (_blocks[first].Old - lead, _blocks[first].New - lead);
        var lines = new List<DiffLine>();
        var at = old;
        for (var i = first; i <= last; i++)
        {
            var block = _blocks[i];
            Add(' ', _old, at, block.Old - at);
            Add('-', _old, block.Old, block.OldCount);
            Add('+', _new, block.New, block.NewCount);
            at = block.Old + block.OldCount;
        }

        Add(' ', _old, at, Math.Min(Context, _old.Length - at));
        var oldLines = lines.Count(l => l.Sign is not '+');
        var newLines = lines.Count(l => l.Sign is not '-');
        return new DiffHunk(
            _firstLine + old + (oldLines > 0 ? 1 : 0),
            oldLines,
            _firstLine + @new + (newLines > 0 ? 1 : 0),
            newLines,
            lines
        );

        void Add(char sign, string[] source, int start, int count)
        {
            for (var i = start; i < start + count; i++)
            {
                lines.Add(new DiffLine(sign, source[i]));
            }
        }
    }
}
