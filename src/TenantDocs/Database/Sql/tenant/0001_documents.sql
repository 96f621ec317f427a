-- The tenant tables, the same in all three isolation models. Runs as tenantdocs_owner with search_path = the one schema
-- that is to hold them (shared, tenant, template or t_<32 hex digits>). Rules, each pinned by a test:
-- * tenant_id leads every key: no unique-key oracle, no cascade into another tenant, and a row-filtered publication works.
-- * RLS is enabled and FORCED on every table; the second, restrictive policy lets no write in that did not pass the gate.
-- * The bare setting (no sub-select) keeps the planner's per-tenant estimates; NULLIF makes '' mean "no tenant", which sees nothing.

CREATE TABLE tenant_state (
    tenant_id uuid NOT NULL,
    seq bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
    documents bigint NOT NULL DEFAULT 0 CHECK (documents >= 0),
    trashed bigint NOT NULL DEFAULT 0 CHECK (trashed >= 0),
    bytes bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    versions bigint NOT NULL DEFAULT 0 CHECK (versions >= 0),
    PRIMARY KEY (tenant_id)
) WITH (fillfactor = 50);

CREATE TABLE documents (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 500),
    body text NOT NULL,
    content_type text NOT NULL,
    status text NOT NULL,
    collection_id uuid,
    tags text[] NOT NULL,
    -- json, not jsonb: it is answered exactly as it was given, numbers and order included, and no operator of jsonb keeps
    -- an index under a policy anyway. A query that needs one casts.
    metadata json NOT NULL,
    language text NOT NULL,
    bytes bigint NOT NULL CHECK (bytes >= 0),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    deleted_at timestamptz,
    search tsvector GENERATED ALWAYS AS (tenantdocs.search_vector(language, title, body)) STORED,
    PRIMARY KEY (tenant_id, id)
);
-- Lists show live documents or the trash, never both: the indexes of the one are not weighed down by the other.
CREATE INDEX documents_by_update ON documents (tenant_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX documents_by_creation ON documents (tenant_id, created_at, id) WHERE deleted_at IS NULL;
-- Byte order: the same on every server, whatever its locale library, so that a cursor survives a move.
CREATE INDEX documents_by_title ON documents (tenant_id, title COLLATE "C", id) WHERE deleted_at IS NULL;
CREATE INDEX documents_by_collection ON documents (tenant_id, collection_id, updated_at DESC, id DESC)
    WHERE deleted_at IS NULL AND collection_id IS NOT NULL;
CREATE INDEX documents_trash ON documents (tenant_id, deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX documents_search ON documents USING gin (tenant_id tenantdocs.uuid_ops, search);

CREATE TABLE document_versions (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version bigint NOT NULL,
    change text NOT NULL CHECK (change IN ('created', 'updated', 'deleted', 'restored')),
    title text NOT NULL,
    body text NOT NULL,
    content_type text NOT NULL,
    status text NOT NULL,
    collection_id uuid,
    tags text[] NOT NULL,
    metadata json NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, document_id, version),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
);

-- Tags of live documents, for lists and counts: array operators lose their index under a policy, equality keeps it.
CREATE TABLE document_tags (
    tenant_id uuid NOT NULL,
    tag text COLLATE "C" NOT NULL,
    document_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, tag, document_id),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX document_tags_by_document ON document_tags (tenant_id, document_id);

-- The change feed: seq is taken from tenant_state under its row lock, so it has no gaps and is in commit order.
CREATE TABLE document_changes (
    tenant_id uuid NOT NULL,
    seq bigint NOT NULL,
    type text NOT NULL,
    document_id uuid NOT NULL,
    version bigint NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);

CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL,
    key text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    status int NOT NULL,
    etag text,
    location text,
    body text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (tenant_id, created_at);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['tenant_state', 'documents', 'document_versions', 'document_tags', 'document_changes', 'idempotency_keys'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format($p$CREATE POLICY tenant_isolation ON %I
            USING (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)
            WITH CHECK (tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid)$p$, t);
        -- A sub-select: evaluated once per statement. INSERT and UPDATE fail loudly by WITH CHECK; a DELETE finds no row.
        EXECUTE format($p$CREATE POLICY write_gate_insert ON %I AS RESTRICTIVE FOR INSERT
            WITH CHECK ((SELECT current_setting('app.write_epoch', true) <> ''))$p$, t);
        EXECUTE format($p$CREATE POLICY write_gate_update ON %I AS RESTRICTIVE FOR UPDATE
            USING (true) WITH CHECK ((SELECT current_setting('app.write_epoch', true) <> ''))$p$, t);
        EXECUTE format($p$CREATE POLICY write_gate_delete ON %I AS RESTRICTIVE FOR DELETE
            USING ((SELECT current_setting('app.write_epoch', true) <> ''))$p$, t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tenantdocs_mover', t);
    END LOOP;
END
$$;

-- Least privilege: versions and changes are immutable for the request role (a permanent delete cascades as the owner).
GRANT SELECT, INSERT, UPDATE ON tenant_state TO tenantdocs_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON documents TO tenantdocs_app;
GRANT SELECT, INSERT ON document_versions TO tenantdocs_app;
GRANT SELECT, INSERT, DELETE ON document_tags TO tenantdocs_app;
GRANT SELECT, INSERT ON document_changes TO tenantdocs_app;
GRANT SELECT, INSERT, DELETE ON idempotency_keys TO tenantdocs_app;

-- The one audited place where the policy is not in the way of an index: @@ is not leakproof, so under a policy the GIN
-- index is dead (the whole tenant is read). The owner of this function sees all rows by a policy of its own; the tenant
-- predicate is explicit and comes from the same setting; it returns ids and ranks only, and its caller joins them back
-- to documents, where the policy judges every row again.
CREATE POLICY search_reads ON documents FOR SELECT TO tenantdocs_search USING (true);
CREATE POLICY search_reads ON document_tags FOR SELECT TO tenantdocs_search USING (true);
GRANT SELECT (tenant_id, id, search, deleted_at, collection_id) ON documents TO tenantdocs_search;
GRANT SELECT ON document_tags TO tenantdocs_search;

CREATE FUNCTION search_documents(
    p_query tsquery, p_limit int, p_after_rank real, p_after_id uuid, p_tag text, p_collection uuid)
RETURNS TABLE (document_id uuid, score real)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path FROM CURRENT
AS $$
    SELECT hit.id, hit.score
      FROM (SELECT d.id, ts_rank(d.search, p_query) AS score
              FROM documents AS d
             WHERE d.tenant_id = NULLIF(current_setting('app.current_tenant', true), '')::uuid
               AND d.search @@ p_query
               AND d.deleted_at IS NULL
               AND (p_collection IS NULL OR d.collection_id = p_collection)
               AND (p_tag IS NULL OR EXISTS (
                    SELECT FROM document_tags AS t
                     WHERE t.tenant_id = d.tenant_id AND t.tag = p_tag AND t.document_id = d.id))) AS hit
     WHERE p_after_id IS NULL OR (hit.score, hit.id) < (p_after_rank, p_after_id)
     ORDER BY hit.score DESC, hit.id DESC
     LIMIT p_limit
$$;
REVOKE ALL ON FUNCTION search_documents(tsquery, int, real, uuid, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_documents(tsquery, int, real, uuid, text, uuid) TO tenantdocs_app;
DO $$
BEGIN
    -- A new owner must be allowed to create in the schema at the moment it takes over, and at no other.
    EXECUTE format('GRANT CREATE, USAGE ON SCHEMA %I TO tenantdocs_search', current_schema());
    ALTER FUNCTION search_documents(tsquery, int, real, uuid, text, uuid) OWNER TO tenantdocs_search;
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM tenantdocs_search', current_schema());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO tenantdocs_app, tenantdocs_mover', current_schema());
END
$$;
