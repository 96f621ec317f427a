using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Microsoft.EntityFrameworkCore;
using TenantDocs.Database;
using TenantDocs.Isolation;

namespace TenantDocs.Tests.Conventions;

/// <summary>What every tenant table and its mapping must have. The self-test asks the same of the real databases.</summary>
public sealed partial class TenantTableTests
{
    private static string TenantSql => string.Join('\n', MigrationSet.Tenant.Migrations.Select(m => m.Sql));

    private static List<string> Tables => [.. CreateTable().Matches(TenantSql).Select(m => m.Groups[1].Value)];

    [Fact]
    public void Every_tenant_table_gets_the_policies()
    {
        var guarded = PolicyLoop()
            .Matches(TenantSql)
            .SelectMany(m => m.Groups[1].Value.Split(','))
            .Select(t => t.Trim(' ', '\'', '\n'))
            .ToList();
        Assert.NotEmpty(Tables);
        Assert.Equal(Tables.Order(StringComparer.Ordinal), guarded.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_entity_is_a_tenant_row_with_the_tenant_first_in_its_key_and_the_tenant_filter()
    {
        var options = new DbContextOptionsBuilder<TenantDbContext>().UseNpgsql().Options;
        using var context = new TenantDbContext(options);
        var entities = context.Model.GetEntityTypes().ToList();
        Assert.NotEmpty(entities);
        Assert.All(
            entities,
            entity =>
            {
                Assert.True(entity.ClrType.IsAssignableTo(typeof(ITenantRow)), entity.Name);
                Assert.Equal(nameof(ITenantRow.TenantId), entity.FindPrimaryKey()!.Properties[0].Name);
                Assert.NotEmpty(entity.GetDeclaredQueryFilters());
                // search_path decides which of the three homes this is.
                Assert.Null(entity.GetSchema());
                Assert.Contains(entity.GetTableName(), Tables);
            }
        );
    }

    /// <summary>
    /// A file that ran anywhere is never edited: databases out there would refuse to start. While a file has run nowhere but on
    /// machines that can be wiped, write the list anew: in src/TenantDocs/Database/Sql,
    /// <c>sha256sum */*.sql &gt; ../../../../tests/TenantDocs.Tests/Conventions/sql-hashes.txt</c>.
    /// </summary>
    [Fact]
    public void Shipped_SQL_is_never_edited()
    {
        var now = Repository
            .Files("src/TenantDocs/Database/Sql", "*.sql")
            .Select(f => $"{Hash(f)}  {f["src/TenantDocs/Database/Sql/".Length..]}");
        var listed = File.ReadAllLines(Repository.PathOf("tests", "TenantDocs.Tests", "Conventions", "sql-hashes.txt"));
        Assert.Equal(listed.Order(StringComparer.Ordinal), now.Order(StringComparer.Ordinal));
    }

    private static string Hash(string file) =>
        Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Repository.PathOf(file))));

    [GeneratedRegex(@"^CREATE TABLE (\w+)", RegexOptions.Multiline)]
    private static partial Regex CreateTable();

    [GeneratedRegex(
        @"FOREACH t IN ARRAY ARRAY\[([^\]]+)\] LOOP\s+EXECUTE format\('ALTER TABLE %I ENABLE ROW LEVEL SECURITY'"
    )]
    private static partial Regex PolicyLoop();
}
