using System.Security.Cryptography;
using Npgsql;

namespace TenantDocs.Catalog;

/// <summary>Small values that all nodes of the platform share.</summary>
public sealed class CatalogSettings(CatalogDatabase catalog)
{
    /// <summary>A random 32-byte secret of that name: made by whoever asks first, the same for everybody from then on.</summary>
    public async Task<byte[]> SecretAsync(string name, CancellationToken cancellationToken)
    {
        await using var batch = catalog.Source.CreateBatch();
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            {
                Parameters =
                {
                    new NpgsqlParameter<string> { TypedValue = name },
                    new NpgsqlParameter<string>
                    {
                        TypedValue = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)),
                    },
                },
            }
        );
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("SELECT value FROM settings WHERE name = $1")
            {
                Parameters = { new NpgsqlParameter<string> { TypedValue = name } },
            }
        );
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return Convert.FromBase64String(reader.GetString(0));
    }
}
