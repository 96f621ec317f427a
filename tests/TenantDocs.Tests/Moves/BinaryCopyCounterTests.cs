using System.Buffers.Binary;
using TenantDocs.Moves;

namespace TenantDocs.Tests.Moves;

public class BinaryCopyCounterTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(1000)]
    public void Rows_are_counted_however_the_bytes_are_cut(int piece)
    {
        var bytes = new List<byte>(new byte[19]);
        foreach (var row in Enumerable.Range(0, 7))
        {
            Add16(2);
            Add32(-1); // NULL
            Add32(row);
            bytes.AddRange(new byte[row]);
        }

        Add16(-1);
        var counter = new BinaryCopyCounter();
        foreach (var part in bytes.ToArray().Chunk(piece))
        {
            counter.Add(part);
        }

        Assert.Equal(7, counter.Rows);

        void Add16(short value)
        {
            var field = new byte[2];
            BinaryPrimitives.WriteInt16BigEndian(field, value);
            bytes.AddRange(field);
        }

        void Add32(int value)
        {
            var field = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(field, value);
            bytes.AddRange(field);
        }
    }
}
