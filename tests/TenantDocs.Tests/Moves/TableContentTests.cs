using System.Security.Cryptography;
using TenantDocs.Moves;

namespace TenantDocs.Tests.Moves;

public sealed class TableContentTests
{
    [Fact]
    public void The_same_rows_have_the_same_hash_in_any_order()
    {
        var (left, right) = (new TableContent(), new TableContent());
        var rows = Enumerable.Range(0, 1000).Select(Row).ToList();
        rows.ForEach(r => left.Add(r.Chunk, r.Hash));
        rows.Reverse();
        rows.ForEach(r => right.Add(r.Chunk, r.Hash));

        Assert.Equal(left.Hash, right.Hash);
        Assert.Empty(left.DifferingChunks(right));
        Assert.Equal(1000, left.Rows);
    }

    [Fact]
    public void A_row_that_is_another_one_or_missing_or_twice_differs_in_its_chunk()
    {
        var whole = Of(Enumerable.Range(0, 1000));
        var row = Row(500);

        var missing = Of(Enumerable.Range(0, 1000).Where(i => i != 500));
        Assert.Equal([row.Chunk], whole.DifferingChunks(missing));
        Assert.NotEqual(whole.Hash, missing.Hash);
        var other = Of(Enumerable.Range(0, 1000).Where(i => i != 500));
        other.Add(row.Chunk, SHA256.HashData([9]));
        Assert.Equal([row.Chunk], whole.DifferingChunks(other));
        Assert.NotEqual(whole.Hash, other.Hash);
        // Unlike an exclusive or, a sum does not forget what comes twice.
        missing.Add(row.Chunk, row.Hash);
        missing.Add(row.Chunk, row.Hash);
        missing.Add(row.Chunk, row.Hash);
        Assert.Equal([row.Chunk], whole.DifferingChunks(missing));
    }

    [Fact]
    public void The_sum_carries_from_one_part_to_the_next()
    {
        var (left, right) = (new TableContent(), new TableContent());
        byte[] all = [.. Enumerable.Repeat((byte)255, 32)];
        byte[] one = [1, .. new byte[31]];
        left.Add(0, all);
        left.Add(0, one);
        right.Add(0, new byte[32]);
        right.Add(0, new byte[32]);

        // 2^256 - 1 + 1 is 0 again.
        Assert.Equal(left.Hash, right.Hash);
    }

    private static TableContent Of(IEnumerable<int> rows)
    {
        var content = new TableContent();
        foreach (var (chunk, hash) in rows.Select(Row))
        {
            content.Add(chunk, hash);
        }

        return content;
    }

    private static (int Chunk, byte[] Hash) Row(int i) => (i % 256, SHA256.HashData(BitConverter.GetBytes(i)));
}
