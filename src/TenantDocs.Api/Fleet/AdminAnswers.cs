using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using TenantDocs.Api.Http;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.Api.Fleet;

/// <summary>
/// The first answers to admin calls with an Idempotency-Key, for 24 hours. An answer can hold a new API key, which is kept
/// nowhere in clear: so the catalog keeps the hash of the Idempotency-Key only, and the answer encrypted under that key.
/// </summary>
internal sealed class AdminAnswers(CatalogDatabase catalog)
{
    private const string ClaimSql = """
        INSERT INTO idempotency_keys AS k (actor, key, request_hash, created_at) VALUES ($1, $2, $3, now())
        ON CONFLICT (actor, key) DO UPDATE
           SET request_hash = EXCLUDED.request_hash, status = NULL, headers = NULL, body = NULL, created_at = now()
         WHERE k.created_at < now() - CASE WHEN k.status IS NULL THEN interval '10 minutes' ELSE interval '24 hours' END
        RETURNING 1
        """;

    private const string FirstSql =
        "SELECT request_hash, status, headers::text, body FROM idempotency_keys WHERE actor = $1 AND key = $2";

    private const string ExpireSql = "DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'";

    private const string KeepSql =
        "UPDATE idempotency_keys SET status = $3, headers = $4, body = $5 WHERE actor = $1 AND key = $2";

    private static readonly string[] Kept = ["Location", "ETag", "Content-Type", "Retry-After"];

    /// <summary>Null: nobody came with this key, the caller acts. Else the first answer, or why there is none.</summary>
    public async Task<IResult?> ClaimAsync(
        string actor,
        string key,
        HttpRequest request,
        byte[] body,
        CancellationToken cancellationToken
    )
    {
        var hash = HashOf(request, body);
        await using (var batch = catalog.Source.CreateBatch())
        {
            var claim = new Npgsql.NpgsqlBatchCommand(ClaimSql);
            claim.Parameters.Add(SqlValue.Of(actor));
            claim.Parameters.Add(SqlValue.Of(NameOf(key)));
            claim.Parameters.Add(SqlValue.Of(hash));
            batch.BatchCommands.Add(claim);
            batch.BatchCommands.Add(new Npgsql.NpgsqlBatchCommand(ExpireSql));
            if (await batch.ExecuteScalarAsync(cancellationToken) is not null)
            {
                return null;
            }
        }

        await using var command = catalog.Source.CreateCommand(FirstSql);
        command.Parameters.Add(SqlValue.Of(actor));
        command.Parameters.Add(SqlValue.Of(NameOf(key)));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken) || await reader.IsDBNullAsync(1, cancellationToken))
        {
            return Problems.Of(InProgress);
        }

        if (!reader.GetFieldValue<byte[]>(0).AsSpan().SequenceEqual(hash))
        {
            return Problems.Of(Reused);
        }

        var headers = JsonSerializer.Deserialize<Dictionary<string, string>>(reader.GetString(2))!;
        return new FirstAnswer(reader.GetInt32(1), headers, Decrypt(key, reader.GetString(3)));
    }

    public async Task KeepAsync(
        string actor,
        string key,
        HttpResponse response,
        byte[] body,
        CancellationToken cancellationToken
    )
    {
        var headers = Kept.Where(response.Headers.ContainsKey)
            .ToDictionary(name => name, name => response.Headers[name].ToString());
        await using var command = catalog.Source.CreateCommand(KeepSql);
        command.Parameters.Add(SqlValue.Of(actor));
        command.Parameters.Add(SqlValue.Of(NameOf(key)));
        command.Parameters.Add(SqlValue.Of(response.StatusCode));
        command.Parameters.Add(SqlValue.Json(JsonSerializer.Serialize(headers)));
        command.Parameters.Add(SqlValue.Of(Encrypt(key, body)));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public async Task ForgetAsync(string actor, string key, CancellationToken cancellationToken)
    {
        await using var command = catalog.Source.CreateCommand(
            "DELETE FROM idempotency_keys WHERE actor = $1 AND key = $2 AND status IS NULL"
        );
        command.Parameters.Add(SqlValue.Of(actor));
        command.Parameters.Add(SqlValue.Of(NameOf(key)));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static Error InProgress { get; } =
        new(
            ErrorKind.Conflict,
            "idempotency-in-progress",
            "A request with this Idempotency-Key is being worked on. Try again shortly."
        )
        {
            RetryAfter = TimeSpan.FromSeconds(1),
        };

    private static Error Reused { get; } =
        new(
            ErrorKind.Unprocessable,
            "idempotency-key-reused",
            "This Idempotency-Key came before with another request. Nothing was changed."
        );

    private static string NameOf(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    private static byte[] HashOf(HttpRequest request, byte[] body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{request.Method} {request.Path}{request.QueryString}\n"));
        hash.AppendData(body);
        return hash.GetHashAndReset();
    }

    private static byte[] CipherKey(string key) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(key), 32, info: "admin answer"u8.ToArray());

    private static string Encrypt(string key, byte[] body)
    {
        var nonce = RandomNumberGenerator.GetBytes(AesGcm.NonceByteSizes.MaxSize);
        var tag = new byte[AesGcm.TagByteSizes.MaxSize];
        var cipher = new byte[body.Length];
        using var aes = new AesGcm(CipherKey(key), tag.Length);
        aes.Encrypt(nonce, body, cipher, tag);
        return Convert.ToBase64String([.. nonce, .. tag, .. cipher]);
    }

    private static byte[] Decrypt(string key, string text)
    {
        var bytes = Convert.FromBase64String(text).AsSpan();
        var nonce = bytes[..AesGcm.NonceByteSizes.MaxSize];
        var tag = bytes.Slice(nonce.Length, AesGcm.TagByteSizes.MaxSize);
        var cipher = bytes[(nonce.Length + tag.Length)..];
        var body = new byte[cipher.Length];
        using var aes = new AesGcm(CipherKey(key), tag.Length);
        aes.Decrypt(nonce, cipher, tag, body);
        return body;
    }

    private sealed class FirstAnswer(int status, Dictionary<string, string> headers, byte[] body) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            var response = httpContext.Response;
            response.StatusCode = status;
            foreach (var (name, value) in headers)
            {
                response.Headers[name] = value;
            }

            response.Headers["Idempotency-Replayed"] = "true";
            return body.Length == 0 ? Task.CompletedTask : response.Body.WriteAsync(body).AsTask();
        }
    }
}
