using System.Text;

namespace TenantDocs.Import;

/// <summary>A file's bytes as text, or why they are none.</summary>
internal static class FileText
{
    private static readonly UTF8Encoding Strict = new(
        encoderShouldEmitUTF8Identifier: false,
        throwOnInvalidBytes: true
    );

    /// <summary>Reads a file that is at most <paramref name="maxBytes"/> long.</summary>
    public static async Task<(byte[]? Bytes, string? Fault)> ReadAsync(
        FolderEntry entry,
        long maxBytes,
        CancellationToken cancellationToken
    )
    {
        if (entry.Length > maxBytes)
        {
            return (null, TooLarge(entry.Length, maxBytes));
        }

        if (entry.Length == 0)
        {
            // Not opened: it may as well be a pipe or a device, whose end never comes.
            return ([], null);
        }

        try
        {
            var bytes = await File.ReadAllBytesAsync(entry.FullPath, cancellationToken);
            return bytes.Length > maxBytes ? (null, TooLarge(bytes.Length, maxBytes)) : (bytes, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (null, Reason(e, "file"));
        }
    }

    /// <summary>UTF-8, with or without a byte order mark, and without NUL.</summary>
    public static (string? Text, string? Fault) Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]) || bytes.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]))
        {
            return (null, "It is UTF-16; convert it to UTF-8.");
        }

        if (bytes.IndexOf((byte)0) is >= 0 and var at)
        {
            return (null, $"It has a NUL at byte {at}; that is no text.");
        }

        try
        {
            var text = Strict.GetString(bytes.StartsWith(Encoding.UTF8.Preamble) ? bytes[3..] : bytes);
            return (text, null);
        }
        catch (DecoderFallbackException e)
        {
            return (null, $"It is not UTF-8: byte {Math.Max(0, e.Index)} fits no character. Convert it to UTF-8.");
        }
    }

    /// <summary>Why a file or folder could not be read, in words.</summary>
    public static string Reason(Exception e, string what) =>
        e switch
        {
            UnauthorizedAccessException => $"Permission to read the {what} is denied.",
            FileNotFoundException or DirectoryNotFoundException => $"The {what} is not there any more.",
            _ => $"The {what} cannot be read: {e.Message}",
        };

    /// <summary>At most so many code points, cut at one.</summary>
    public static string Clip(string text, int codePoints)
    {
        var length = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if (codePoints-- == 0)
            {
                return text[..length];
            }

            length += rune.Utf16SequenceLength;
        }

        return text;
    }

    private static string TooLarge(long bytes, long maxBytes) =>
        $"It has {bytes:N0} bytes; a document may have {maxBytes:N0}.";
}
