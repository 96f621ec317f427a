using System.Globalization;
using TenantDocs.Documents;

namespace TenantDocs.Api.Documents;

/// <summary>Positions of the documents' lists as the texts that a cursor carries. A cursor is authentic before it is parsed.</summary>
internal static class DocumentCursor
{
    public static IReadOnlyList<string> ToKeys(DocumentPosition position) =>
        [position.Title ?? position.At!.Value.UtcTicks.ToString(CultureInfo.InvariantCulture), position.Id.ToString()];

    public static DocumentPosition Parse(IReadOnlyList<string> keys, DocumentSort sort) =>
        sort is DocumentSort.Title or DocumentSort.TitleDescending
            ? new DocumentPosition(null, keys[0], Guid.Parse(keys[1]))
            : new DocumentPosition(
                new DateTimeOffset(long.Parse(keys[0], CultureInfo.InvariantCulture), TimeSpan.Zero),
                null,
                Guid.Parse(keys[1])
            );

    public static IReadOnlyList<string> ToKeys(SearchPosition position) =>
        [position.Score.ToString("R", CultureInfo.InvariantCulture), position.Id.ToString()];

    public static SearchPosition ParseSearch(IReadOnlyList<string> keys) =>
        new(float.Parse(keys[0], CultureInfo.InvariantCulture), Guid.Parse(keys[1]));

    public static IReadOnlyList<string> ToKeys(VersionPosition position) =>
        [position.Version.ToString(CultureInfo.InvariantCulture)];

    public static VersionPosition ParseVersion(IReadOnlyList<string> keys) =>
        new(long.Parse(keys[0], CultureInfo.InvariantCulture));
}
