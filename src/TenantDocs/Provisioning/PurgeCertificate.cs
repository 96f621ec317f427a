using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using TenantDocs.Operations;

namespace TenantDocs.Provisioning;

/// <summary>
/// What says that a tenant's data is gone: which rows of which tables, from where, when, on whose word. Its last member is
/// the SHA-256 of all others in canonical form (<see cref="Canonical"/>), so that anybody can check that it was not changed.
/// </summary>
public static class PurgeCertificate
{
    private const string Hash = "sha256";

    internal static JsonElement Issue(
        Guid operation,
        PurgeInput input,
        IReadOnlyList<TableRows> counts,
        IReadOnlyList<LeftHome> leftHomes,
        DateTimeOffset countedAt,
        DateTimeOffset purgedAt,
        string requestedBy
    )
    {
        var certificate = OperationJson
            .Write(
                new
                {
                    operation,
                    tenant = input.Tenant,
                    input.Slug,
                    input.Name,
                    placement = new
                    {
                        input.Isolation,
                        input.Server,
                        input.Database,
                        input.Schema,
                        input.Epoch,
                    },
                    // What moves had left and kept: removed before.
                    leftHomes,
                    tables = counts,
                    rows = counts.Sum(c => c.Rows),
                    countedAt = Text(countedAt),
                    purgedAt = Text(purgedAt),
                    requestedBy,
                }
            )
            .Deserialize<JsonObject>()!;
        certificate[Hash] = HashOf(certificate);
        return JsonSerializer.SerializeToElement(certificate, OperationJson.Options);
    }

    /// <summary>True when the certificate's hash is that of its other members.</summary>
    public static bool IsGenuine(JsonElement certificate)
    {
        if (JsonObject.Create(certificate) is not { } members || members[Hash]?.GetValue<string>() is not { } hash)
        {
            return false;
        }

        members.Remove(Hash);
        return hash == HashOf(members);
    }

    /// <summary>Canonical form: UTF-8, names in byte order at every level, no white space (as RFC 8785 for this content).</summary>
    public static byte[] Canonical(JsonNode node) =>
        Encoding.UTF8.GetBytes(Sorted(node)!.ToJsonString(OperationJson.Options));

    private static string HashOf(JsonObject members) => Convert.ToHexStringLower(SHA256.HashData(Canonical(members)));

    private static JsonNode? Sorted(JsonNode? node) =>
        node switch
        {
            JsonObject members => new JsonObject(
                members
                    .OrderBy(m => m.Key, StringComparer.Ordinal)
                    .Select(m => KeyValuePair.Create(m.Key, Sorted(m.Value)))
            ),
            JsonArray items => new JsonArray([.. items.Select(Sorted)]),
            _ => node?.DeepClone(),
        };

    // As the API writes times, so that the certificate's text is the same wherever it is read.
    private static string Text(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", System.Globalization.CultureInfo.InvariantCulture);
}
