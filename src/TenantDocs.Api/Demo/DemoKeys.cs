using System.Text.Json;
using Microsoft.Extensions.Options;
using TenantDocs.Catalog;
using TenantDocs.LocalPostgres;

namespace TenantDocs.Api.Demo;

/// <summary>The demo tenants' keys, in a file that only this user can read, so that every start can show them.</summary>
internal sealed class DemoKeys(IOptions<LocalPostgresOptions> options)
{
    private string File => Path.Combine(options.Value.FullDataFolder, "demo-keys.json");

    public string? Find(TenantId tenant) => Read().GetValueOrDefault(tenant.ToString());

    public void Keep(TenantId tenant, string key)
    {
        var keys = Read();
        keys[tenant.ToString()] = key;
        Directory.CreateDirectory(options.Value.FullDataFolder);
        PrivateFile.Replace(File, JsonSerializer.Serialize(keys));
    }

    private Dictionary<string, string> Read()
    {
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, string>>(System.IO.File.ReadAllText(File)) ?? [];
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return []; // missing or broken: new keys are made
        }
    }
}
