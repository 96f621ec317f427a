using TenantDocs.Api.Documents;

namespace TenantDocs.Tests.Documents;

public class TextDiffTests
{
    [Fact]
    public void Equal_texts_have_no_difference()
    {
        var diff = Diff("a\nb", "a\nb");
        Assert.Empty(diff.Hunks);
        Assert.Equal("", diff.ToUnified("old", "new"));
    }

    [Fact]
    public void A_changed_line_stands_between_three_lines_on_each_side()
    {
        var diff = Diff("1\n2\n3\n4\n5\n6\n7\n8\n9", "1\n2\n3\n4\nfive\n6\n7\n8\n9");
        Assert.Equal(
            "--- old\n+++ new\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n",
            diff.ToUnified("old", "new")
        );
        Assert.Equal((1, 1), (diff.Added, diff.Removed));
    }

    [Fact]
    public void Places_far_apart_are_hunks_of_their_own()
    {
        var lines = Enumerable.Range(1, 40).Select(i => $"{i}").ToArray();
        var changed = lines.Select(l => l is "3" or "30" ? "x" : l);
        Assert.Equal(2, Diff(string.Join('\n', lines), string.Join('\n', changed)).Hunks.Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Removing_the_old_lines_and_adding_the_new_ones_gives_the_new_text(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 50; round++)
        {
            var old = Text();
            var @new = Text();
            Assert.Equal(@new, Apply(old, Diff(old, @new)));
        }

        string Text() => string.Join('\n', Enumerable.Range(0, random.Next(30)).Select(_ => $"{random.Next(6)}"));
    }

    [Fact]
    public void Texts_too_long_to_compare_are_shown_as_replaced()
    {
        var old = string.Join('\n', Enumerable.Range(0, 5000).Select(i => $"a{i}"));
        var @new = string.Join('\n', Enumerable.Range(0, 5000).Select(i => $"b{i}"));
        var diff = Diff(old, @new);
        Assert.Equal((5000, 5000, 1), (diff.Added, diff.Removed, diff.Hunks.Count));
    }

    private static string Apply(string old, TextDiff diff)
    {
        var lines = old.Split('\n').ToList();
        foreach (var hunk in diff.Hunks.Reverse())
        {
            // Without old lines the hunk names the line after which it stands.
            var start = hunk.OldLines > 0 ? hunk.OldStart - 1 : hunk.OldStart;
            Assert.Equal(
                lines.Skip(start).Take(hunk.OldLines),
                hunk.Lines.Where(l => l.Sign is not '+').Select(l => l.Text)
            );
            lines.RemoveRange(start, hunk.OldLines);
            lines.InsertRange(start, hunk.Lines.Where(l => l.Sign is not '-').Select(l => l.Text));
        }

        return string.Join('\n', lines);
    }

    [Fact]
    public void Only_the_part_that_differs_counts_and_too_much_of_it_is_refused()
    {
        var long_ = string.Concat(Enumerable.Repeat("x\n", 2_000_000));
        var diff = Diff($"{long_}a\nb\nc{long_}", $"{long_}a\nB\nc{long_}");
        var hunk = Assert.Single(diff.Hunks);
        Assert.Equal((1_999_999, 7), (hunk.OldStart, hunk.OldLines));
        Assert.Equal((1_999_999, 7), (hunk.NewStart, hunk.NewLines));

        Assert.Null(TextDiff.Of(new string('\n', TextDiff.MostLines + 1), "a"));
        Assert.Equal(TextDiff.MostLines, Diff(new string('\n', TextDiff.MostLines), "a").Removed - 1);
    }

    private static TextDiff Diff(string old, string @new) => TextDiff.Of(old, @new)!;
}
