using Npgsql;
using NpgsqlTypes;

namespace TenantDocs.Benchmarks.Stage;

/// <summary>Puts documents into tenant tables by binary COPY as a superuser: the request role may not COPY past a policy.</summary>
internal sealed class Loader(Cluster cluster)
{
    private static readonly DateTime Epoch = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    private readonly Corpus _corpus = new();
    private long _clock;

    /// <summary>The text that documents are made of.</summary>
    public Corpus Corpus => _corpus;

    /// <summary>Loads documents of each owner; returns owner and id of each.</summary>
    /// <param name="database">Where.</param>
    /// <param name="schema">In which schema.</param>
    /// <param name="owners">Whose, and how many for each.</param>
    /// <param name="characters">About so long.</param>
    /// <param name="rebuild">Drops the search index and builds it anew, which is faster for many rows.</param>
    public async Task<IReadOnlyList<(Guid Owner, Guid Id)>> LoadAsync(
        string database,
        string schema,
        IEnumerable<(Guid Owner, int Count)> owners,
        int characters = 2000,
        bool rebuild = false
    )
    {
        await using var connection = await cluster.OpenAsync(database, schema);
        var index = "";
        if (rebuild)
        {
            index = await connection.ScalarAsync<string>(
                $"SELECT pg_get_indexdef('{schema}.documents_search'::regclass)"
            );
            await connection.ExecuteAsync($"DROP INDEX {schema}.documents_search");
        }

        // Two at once: the server computes a search vector for each row, on one core for each COPY.
        var all = owners.ToList();
        var parts =
            all.Count > 1
                ? all.Chunk((all.Count + 1) / 2)
                :
                [
                    [.. all],
                ];
        var loaded = await Task.WhenAll(parts.Select(part => CopyAsync(database, schema, part, characters)));
        if (rebuild)
        {
            await connection.ExecuteAsync("SET maintenance_work_mem = '1GB'");
            await connection.ExecuteAsync(index);
        }

        await CountAsync(connection, all);
        return [.. loaded.SelectMany(l => l)];
    }

    private async Task<List<(Guid, Guid)>> CopyAsync(
        string database,
        string schema,
        IReadOnlyCollection<(Guid Owner, int Count)> owners,
        int characters
    )
    {
        var loaded = new List<(Guid, Guid)>();
        await using var connection = await cluster.OpenAsync(database, schema);
        await using var writer = await connection.BeginBinaryImportAsync(
            """
            COPY documents (tenant_id, id, title, body, content_type, status, tags, metadata, language, bytes, version,
                created_at, created_by, updated_at, updated_by) FROM STDIN (FORMAT binary)
            """
        );
        writer.Timeout = TimeSpan.FromHours(1);
        foreach (var (owner, count) in owners)
        {
            for (var i = 0; i < count; i++)
            {
                loaded.Add((owner, await WriteAsync(writer, owner, characters)));
            }
        }

        await writer.CompleteAsync();
        return loaded;
    }

    private async Task<Guid> WriteAsync(NpgsqlBinaryImporter writer, Guid owner, int characters)
    {
        var at = Epoch.AddMilliseconds(Interlocked.Increment(ref _clock));
        var id = Guid.CreateVersion7(at);
        var (title, body) = (_corpus.Title(), _corpus.Body(characters));
        await writer.StartRowAsync();
        await writer.WriteAsync(owner, NpgsqlDbType.Uuid);
        await writer.WriteAsync(id, NpgsqlDbType.Uuid);
        await writer.WriteAsync(title, NpgsqlDbType.Text);
        await writer.WriteAsync(body, NpgsqlDbType.Text);
        await writer.WriteAsync("text/markdown", NpgsqlDbType.Text);
        await writer.WriteAsync("published", NpgsqlDbType.Text);
        await writer.WriteAsync<string[]>(["alpha", "beta"], NpgsqlDbType.Array | NpgsqlDbType.Text);
        await writer.WriteAsync("""{"source":"bench"}""", NpgsqlDbType.Json);
        await writer.WriteAsync("english", NpgsqlDbType.Text);
        await writer.WriteAsync((long)(title.Length + body.Length), NpgsqlDbType.Bigint);
        await writer.WriteAsync(1L, NpgsqlDbType.Bigint);
        await writer.WriteAsync(at, NpgsqlDbType.TimestampTz);
        await writer.WriteAsync("user:bench", NpgsqlDbType.Text);
        await writer.WriteAsync(at, NpgsqlDbType.TimestampTz);
        await writer.WriteAsync("user:bench", NpgsqlDbType.Text);
        return id;
    }

    // The counters that creates go on from, and fresh statistics: what autovacuum would have done a minute later.
    private static async Task CountAsync(NpgsqlConnection connection, List<(Guid Owner, int Count)> owners)
    {
        await connection.ExecuteAsync(
            """
            INSERT INTO tenant_state (tenant_id, documents, versions)
            SELECT o, n, n FROM unnest($1, $2) AS t (o, n)
            ON CONFLICT (tenant_id) DO UPDATE
               SET documents = tenant_state.documents + EXCLUDED.documents,
                   versions = tenant_state.versions + EXCLUDED.versions
            """,
            owners.Select(o => o.Owner).ToArray(),
            owners.Select(o => (long)o.Count).ToArray()
        );
        await connection.ExecuteAsync("VACUUM ANALYZE");
    }
}
