using TenantDocs.Moves;

namespace TenantDocs.Tests.Moves;

public sealed class PieceSizeTests
{
    [Theory]
    [InlineData(64, 0.5, 128)] // quick: more
    [InlineData(2048, 0.5, 2048)]
    [InlineData(64, 2, 64)]
    [InlineData(128, 10, 64)] // slow: fewer
    [InlineData(40, 10, 32)]
    [InlineData(32, 50, 32)] // a busy server does not make it a row at a time
    [InlineData(8, 50, 8)]
    [InlineData(32, 100, 16)] // rows that are a burden by themselves do
    [InlineData(1, 100, 1)]
    public void A_piece_follows_from_how_long_the_one_before_took(int size, double milliseconds, int next) =>
        Assert.Equal(next, PieceSize.Polite.After(size, TimeSpan.FromMilliseconds(milliseconds)));
}
