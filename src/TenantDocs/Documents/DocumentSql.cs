namespace TenantDocs.Documents;

/// <summary>The statements of the hot paths and of the writes. $1 is always the tenant.</summary>
internal static class DocumentSql
{
    /// <summary>The order that <see cref="DocumentReading"/> reads; a body may follow.</summary>
    public const string Columns =
        "d.tenant_id, d.id, d.title, d.content_type, d.status, d.collection_id, d.tags, d.metadata, d.version, "
        + "d.created_at, d.created_by, d.updated_at, d.updated_by, d.deleted_at";

    public const string Find = $"SELECT {Columns}, d.body FROM documents AS d WHERE d.tenant_id = $1 AND d.id = $2";

    public const string FindVersion = """
        SELECT v.tenant_id, v.title, v.body, v.content_type, v.status, v.collection_id, v.tags, v.metadata
          FROM document_versions AS v
         WHERE v.tenant_id = $1 AND v.document_id = $2 AND v.version = $3
        """;

    public const string FindKey = """
        SELECT k.tenant_id, k.request_hash, k.status, k.etag, k.location, k.body
          FROM idempotency_keys AS k
         WHERE k.tenant_id = $1 AND k.key = $2 AND k.created_at >= $3
        """;

    /// <summary>
    /// One holder of a key at a time. Two integers: another space of locks than the one bigint of the gate.
    /// </summary>
    public const string ClaimKey = """
        SELECT tenantdocs.require(
            pg_try_advisory_xact_lock(hashtext($1::text), hashtext($2)), 'TD409', 'the key is in flight')
        """;

    public const string ForgetKey =
        "DELETE FROM idempotency_keys WHERE tenant_id = $1 AND key = $2 AND created_at < $3";

    public const string KeepAnswer = """
        INSERT INTO idempotency_keys (tenant_id, key, request_hash, status, etag, location, body, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """;

    private const string Snapshot = """
        INSERT INTO document_versions
            (tenant_id, document_id, version, change, title, body, content_type, status, collection_id, tags, metadata,
             updated_at, updated_by, deleted_at)
        SELECT tenant_id, id, version, $3, title, body, content_type, status, collection_id, tags, metadata,
               updated_at, updated_by, deleted_at
          FROM written
        """;

    private const string Written =
        "RETURNING tenant_id, id, version, title, body, content_type, status, collection_id, tags, metadata, "
        + "updated_at, updated_by, deleted_at";

    /// <summary>$2 id, $3 change, $4… content, then language, bytes, time, actor.</summary>
    public const string Insert = $"""
        WITH written AS (
            INSERT INTO documents
                (tenant_id, id, title, body, content_type, status, collection_id, tags, metadata, language, bytes,
                 version, created_at, created_by, updated_at, updated_by)
            VALUES ($1, $2, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $13, $14, $13, $14)
            {Written})
        {Snapshot}
        """;

    private const string OneRow = """
        SELECT tenantdocs.require((SELECT count(*) FROM written) = 1, 'TD412', 'another version')
        """;

    /// <summary>A new version with another text.</summary>
    public const string Update = $"""
        WITH written AS (
            UPDATE documents
               SET version = version + 1, updated_at = $5, updated_by = $6, deleted_at = $7, content_type = $8,
                   status = $9, collection_id = $10, tags = $11, metadata = $12, title = $13, body = $14, bytes = $15
             WHERE tenant_id = $1 AND id = $2 AND version = $4
            {Written}),
        snapshot AS ({Snapshot})
        {OneRow}
        """;

    /// <summary>A new version of the same text: PostgreSQL then keeps the search column instead of computing it again.</summary>
    public const string UpdateAllButText = $"""
        WITH written AS (
            UPDATE documents
               SET version = version + 1, updated_at = $5, updated_by = $6, deleted_at = $7, content_type = $8,
                   status = $9, collection_id = $10, tags = $11, metadata = $12
             WHERE tenant_id = $1 AND id = $2 AND version = $4
            {Written}),
        snapshot AS ({Snapshot})
        {OneRow}
        """;

    public const string Purge = $"""
        WITH written AS (
            DELETE FROM documents
             WHERE tenant_id = $1 AND id = $2 AND version = $3 AND deleted_at IS NOT NULL
            RETURNING id)
        {OneRow}
        """;

    public const string AddTags =
        "INSERT INTO document_tags (tenant_id, tag, document_id) SELECT $1, t, $2 FROM unnest($3) AS t";

    public const string RemoveTags = "DELETE FROM document_tags WHERE tenant_id = $1 AND document_id = $2";

    /// <summary>
    /// Always last: its row lock makes the tenant's commits one after the other, so it is held as shortly as can be.
    /// $2–$5 differences of documents, trashed, bytes and versions; $6–$10 the change; $11, $12 the limits, of which the
    /// trash is a part. A limit binds only what grows: who is over it may still delete. The message carries what was used
    /// before.
    /// </summary>
    public const string Count = """
        WITH state AS (
            UPDATE tenant_state
               SET seq = seq + 1, documents = documents + $2, trashed = trashed + $3, bytes = bytes + $4,
                   versions = versions + $5
             WHERE tenant_id = $1
            RETURNING seq, documents + trashed AS held, bytes),
        change AS (
            INSERT INTO document_changes (tenant_id, seq, type, document_id, version, at, actor)
            SELECT $1, seq, $6, $7, $8, $9, $10 FROM state)
        SELECT tenantdocs.require(count(*) = 1, 'TD004', 'the tenant has no state row'),
               tenantdocs.require($2 + $3 <= 0 OR $11 IS NULL OR max(held) <= $11, 'TD402', (max(held) - $2 - $3)::text),
               tenantdocs.require($4 <= 0 OR $12 IS NULL OR max(bytes) <= $12, 'TD403', (max(bytes) - $4)::text)
          FROM state
        """;

    /// <summary>As <see cref="Count"/>, for several changes: $6–$9 their types, documents, versions and times, $10 the actor.</summary>
    public const string CountMany = """
        WITH state AS (
            UPDATE tenant_state
               SET seq = seq + cardinality($7), documents = documents + $2, trashed = trashed + $3, bytes = bytes + $4,
                   versions = versions + $5
             WHERE tenant_id = $1
            RETURNING seq, documents + trashed AS held, bytes),
        change AS (
            INSERT INTO document_changes (tenant_id, seq, type, document_id, version, at, actor)
            SELECT $1, s.seq - cardinality($7) + c.n, c.type, c.document_id, c.version, c.at, $10
              FROM state AS s,
                   unnest($6, $7, $8, $9) WITH ORDINALITY AS c (type, document_id, version, at, n))
        SELECT tenantdocs.require(count(*) = 1, 'TD004', 'the tenant has no state row'),
               tenantdocs.require($2 + $3 <= 0 OR $11 IS NULL OR max(held) <= $11, 'TD402', (max(held) - $2 - $3)::text),
               tenantdocs.require($4 <= 0 OR $12 IS NULL OR max(bytes) <= $12, 'TD403', (max(bytes) - $4)::text)
          FROM state
        """;

    public const string FindMany = $"SELECT {Columns} FROM documents AS d WHERE d.tenant_id = $1 AND d.id = ANY ($2)";

    public const string FindManyWithBody =
        $"SELECT {Columns}, d.body FROM documents AS d WHERE d.tenant_id = $1 AND d.id = ANY ($2)";

    /// <summary>Live documents of an import's source, by id: its name and the path are in their metadata.</summary>
    public const string OfSource = $"""
        SELECT {Columns}
          FROM documents AS d
         WHERE d.tenant_id = $1 AND d.deleted_at IS NULL AND d.id > $3 AND d.metadata -> 'source' ->> 'name' = $2
         ORDER BY d.id
         LIMIT $4
        """;

    public const string Feed = """
        SELECT c.tenant_id, c.seq, c.type, c.document_id, c.version, c.at, c.actor
          FROM document_changes AS c
         WHERE c.tenant_id = $1 AND c.seq > $2
         ORDER BY c.seq
         LIMIT $3
        """;

    public const string Head = "SELECT s.tenant_id, s.seq FROM tenant_state AS s WHERE s.tenant_id = $1";

    public const string Expired = """
        SELECT d.tenant_id, d.id, d.version, d.bytes
          FROM documents AS d
         WHERE d.tenant_id = $1 AND d.deleted_at < $2
         ORDER BY d.deleted_at
         LIMIT $3
        """;

    public const string Stale = """
        SELECT d.tenant_id, d.id, d.bytes
          FROM documents AS d
         WHERE d.tenant_id = $1 AND d.id > $2 AND d.language <> $3
         ORDER BY d.id
         LIMIT $4
        """;

    /// <summary>PostgreSQL computes the search column again, because the language is one of those that it is made of.</summary>
    public const string Reindex =
        "UPDATE documents SET language = $3 WHERE tenant_id = $1 AND id = ANY ($2) AND language <> $3";

    public const string HasOldKeys =
        "SELECT EXISTS (SELECT FROM idempotency_keys WHERE tenant_id = $1 AND created_at < $2)";

    public const string ForgetOldKeys = "DELETE FROM idempotency_keys WHERE tenant_id = $1 AND created_at < $2";

    /// <summary>The query is parsed once, in FROM: beside a parameter in two places it would be parsed for every hit.</summary>
    public const string Search = """
        SELECT d.tenant_id, d.id, d.title, hit.score,
               ts_headline(c.config, translate(left(d.body, 20000), $8, ''), q.query, $9),
               ts_headline(c.config, translate(d.title, $8, ''), q.query, $10)
          FROM (SELECT ('pg_catalog.' || $2)::regconfig AS config) AS c,
               websearch_to_tsquery(('pg_catalog.' || $2)::regconfig, $3) AS q (query),
               search_documents(q.query, $4, $5, $6, $7, $11) AS hit
          JOIN documents AS d ON d.tenant_id = $1 AND d.id = hit.document_id
         WHERE d.deleted_at IS NULL
         ORDER BY hit.score DESC, hit.document_id DESC
        """;
}
