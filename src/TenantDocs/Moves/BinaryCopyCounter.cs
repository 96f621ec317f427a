using System.Buffers.Binary;

namespace TenantDocs.Moves;

/// <summary>Counts the rows of a binary COPY as its bytes pass by, in pieces of any size.</summary>
/// <remarks>https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".</remarks>
internal sealed class BinaryCopyCounter
{
    // Signature, flags, length of the header extension; the extension has been empty since the format exists.
    private const int Header = 19;
    private readonly byte[] _field = new byte[4];
    private long _skip = Header;
    private int _gathered;
    private int _fields;

    /// <summary>Rows that began so far.</summary>
    public long Rows { get; private set; }

    /// <summary>Looks at the next piece.</summary>
    public void Add(ReadOnlySpan<byte> piece)
    {
        while (piece.Length > 0)
        {
            if (_skip > 0)
            {
                var skipped = (int)Math.Min(_skip, piece.Length);
                _skip -= skipped;
                piece = piece[skipped..];
                continue;
            }

            var wanted = _fields == 0 ? 2 : 4;
            var taken = Math.Min(wanted - _gathered, piece.Length);
            piece[..taken].CopyTo(_field.AsSpan(_gathered));
            _gathered += taken;
            piece = piece[taken..];
            if (_gathered == wanted)
            {
                _gathered = 0;
                Take();
            }
        }
    }

    private void Take()
    {
        if (_fields > 0)
        {
            _fields--;
            _skip = Math.Max(0, BinaryPrimitives.ReadInt32BigEndian(_field)); // -1 is NULL
            return;
        }

        var fields = BinaryPrimitives.ReadInt16BigEndian(_field);
        if (fields < 0)
        {
            _skip = long.MaxValue; // the trailer
            return;
        }

        _fields = fields;
        Rows++;
    }
}
