using System.Diagnostics;
using System.Text;

namespace TenantDocs.PostgresTests.Import;

/// <summary>A folder with files to import, removed at the end.</summary>
internal sealed class ImportFolder : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("tenantdocs-import-");

    public string Path => _root.FullName;

    /// <summary>Name of the source that an import of it has by default.</summary>
    public string Source => _root.Name;

    public void Dispose() => _root.Delete(recursive: true);

    public ImportFolder Write(string path, string text) => Write(path, Encoding.UTF8.GetBytes(text));

    public ImportFolder Write(string path, byte[] bytes)
    {
        var full = Full(path);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(full)!);
        File.WriteAllBytes(full, bytes);
        return this;
    }

    public string Full(string path) => System.IO.Path.Combine(_root.FullName, path);

    public ImportFolder Many(int files, int words = 200)
    {
        for (var i = 0; i < files; i++)
        {
            var text = string.Join(' ', Enumerable.Range(0, words).Select(w => $"word{(w * 31) + i}"));
            Write($"part-{i / 50:d3}/page-{i:d4}.md", $"---\ntags: [generated, n{i % 7}]\n---\n# Page {i}\n\n{text}\n");
        }

        return this;
    }

    /// <summary>Markdown that real people wrote: what npm installs with itself. Null where there is no npm.</summary>
    public static string? Npm()
    {
        try
        {
            using var npm = Process.Start(
                new ProcessStartInfo("npm", ["root", "-g"]) { RedirectStandardOutput = true, UseShellExecute = false }
            )!;
            var root = npm.StandardOutput.ReadToEnd().Trim();
            npm.WaitForExit();
            return Directory.Exists(root) ? root : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
