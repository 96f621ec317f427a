using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace TenantDocs.Database;

/// <summary>One numbered SQL file of an area. Once shipped it is never edited: its checksum is stored where it ran.</summary>
/// <param name="Version">Number in the file name.</param>
/// <param name="Name">Rest of the file name.</param>
/// <param name="Sql">Text.</param>
public sealed record Migration(int Version, string Name, string Sql)
{
    /// <summary>SHA-256 of the text with LF line ends.</summary>
    public byte[] Checksum { get; } = SHA256.HashData(Encoding.UTF8.GetBytes(Sql));
}

/// <summary>The migrations of an area, in order: <c>catalog</c>, <c>host</c> (gate) or <c>tenant</c> (tenant tables).</summary>
public sealed class MigrationSet
{
    private static readonly ConcurrentDictionary<string, MigrationSet> Loaded = new(StringComparer.Ordinal);

    private MigrationSet(string area, IReadOnlyList<Migration> migrations)
    {
        Area = area;
        Migrations = migrations;
    }

    /// <summary>The control database.</summary>
    public static MigrationSet Catalog => Load("catalog");

    /// <summary>The gate: once in each database that holds tenants.</summary>
    public static MigrationSet Host => Load("host");

    /// <summary>The tenant tables: once in each schema that holds tenants.</summary>
    public static MigrationSet Tenant => Load("tenant");

    /// <summary>The area's name.</summary>
    public string Area { get; }

    /// <summary>In ascending order of version.</summary>
    public IReadOnlyList<Migration> Migrations { get; }

    /// <summary>The newest version.</summary>
    public int Latest => Migrations[^1].Version;

    private static MigrationSet Load(string area) =>
        Loaded.GetOrAdd(
            area,
            static name =>
            {
                var assembly = typeof(MigrationSet).Assembly;
                var prefix = $"sql/{name}/";
                var migrations = assembly
                    .GetManifestResourceNames()
                    .Where(r => r.Replace('\\', '/').StartsWith(prefix, StringComparison.Ordinal))
                    .Select(r => Read(assembly.GetManifestResourceStream(r)!, r.Replace('\\', '/')[prefix.Length..]))
                    .OrderBy(m => m.Version)
                    .ToList();
                return new MigrationSet(name, migrations);
            }
        );

    private static Migration Read(Stream stream, string file)
    {
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var text = reader.ReadToEnd().ReplaceLineEndings("\n");
        var number = int.Parse(file.AsSpan(0, 4), NumberStyles.None, CultureInfo.InvariantCulture);
        return new Migration(number, Path.GetFileNameWithoutExtension(file)[5..], text);
    }
}
