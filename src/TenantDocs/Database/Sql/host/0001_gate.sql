-- One of these in every database that holds tenants: the fence, the gate functions and the search configuration.
-- Runs as tenantdocs_owner with search_path = pg_catalog; the schema tenantdocs exists and belongs to the owner.

CREATE EXTENSION IF NOT EXISTS btree_gin WITH SCHEMA tenantdocs;

-- The fence says whether this database is still the home of a tenant, under which epoch, and in which schema.
-- The request role cannot read it: only the gate functions, which belong to the owner, can.
CREATE TABLE tenantdocs.tenant_fence (
    tenant_id uuid PRIMARY KEY,
    epoch bigint NOT NULL CHECK (epoch > 0),
    state text NOT NULL CHECK (state IN ('active', 'write_fenced', 'moved', 'importing', 'standby')),
    access text NOT NULL DEFAULT 'readWrite' CHECK (access IN ('readWrite', 'readOnly', 'offline')),
    schema_name text NOT NULL CHECK (schema_name ~ '^(shared|tenant|t_[0-9a-f]{32})$'),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- enter_read: the first statement of every read. Raises TD001 unless this database is the tenant's home at that epoch;
-- then sets app.current_tenant and search_path for this transaction only.
-- * No SET clause on the function: it would restore search_path on return. Every name is qualified instead.
-- * A read is admitted while writes are fenced (a move in its last milliseconds): the caller still carries the epoch before.
-- * STABLE: it waits for nothing, so the snapshot of the statement that calls it is as good as one of its own, and cheaper. The
--   statement after it takes a newer one in any case.
-- * Assignments, not PERFORM: an assignment of a plain expression needs no executor (half of the gate's time was that).
CREATE FUNCTION tenantdocs.enter_read(p_tenant uuid, p_epoch bigint) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    v_schema text;
    v_set text;
BEGIN
    SELECT f.schema_name
      INTO v_schema
      FROM tenantdocs.tenant_fence AS f
     WHERE f.tenant_id = p_tenant
       AND ((f.epoch = p_epoch AND f.state = 'active') OR (f.epoch = p_epoch + 1 AND f.state = 'write_fenced'))
       AND f.access <> 'offline';

    -- No row: an unknown tenant, or an epoch (NULL too) that this place does not admit.
    IF v_schema IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'TD001', MESSAGE = 'this place does not admit the tenant at this epoch';
    END IF;

    v_set := pg_catalog.set_config('app.current_tenant', p_tenant::text, true);
    -- A write gate passed earlier in this transaction, perhaps for another tenant, ends here: the last gate decides.
    IF pg_catalog.current_setting('app.write_epoch', true) <> '' THEN
        v_set := pg_catalog.set_config('app.write_epoch', '', true);
    END IF;
    -- Comparing first is cheaper than setting: in the shared and database models the role's default is already right.
    IF pg_catalog.current_setting('search_path') <> v_schema THEN
        v_set := pg_catalog.set_config('search_path', v_schema, true);
    END IF;
END
$$;

-- enter_write: the first statement of every write. Lock first, then read: one SELECT doing both would read with a
-- snapshot older than the wait, and REPEATABLE READ would keep that snapshot; hence VOLATILE plpgsql and READ COMMITTED.
CREATE FUNCTION tenantdocs.enter_write(p_tenant uuid, p_epoch bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
    v_schema text;
    v_set text;
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = 'TD003', MESSAGE = 'tenant writes run under READ COMMITTED';
    END IF;

    PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.uuid_hash_extended(p_tenant, 0));

    SELECT f.schema_name
      INTO v_schema
      FROM tenantdocs.tenant_fence AS f
     WHERE f.tenant_id = p_tenant AND f.epoch = p_epoch AND f.state = 'active' AND f.access = 'readWrite';

    IF v_schema IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'TD001', MESSAGE = 'this place does not admit the tenant''s writes at this epoch';
    END IF;

    v_set := pg_catalog.set_config('app.current_tenant', p_tenant::text, true);
    v_set := pg_catalog.set_config('app.write_epoch', p_epoch::text, true);
    IF pg_catalog.current_setting('search_path') <> v_schema THEN
        v_set := pg_catalog.set_config('search_path', v_schema, true);
    END IF;
END
$$;

-- require: turns a fact that a statement found into the end of the transaction, so that a whole write fits in one round trip.
CREATE FUNCTION tenantdocs.require(p_fact boolean, p_code text, p_message text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p_fact IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = p_code, MESSAGE = p_message;
    END IF;
    RETURN true;
END
$$;

-- place_fence: creates or changes a tenant's fence. It takes the tenant's exclusive lock first, so that when it returns
-- (and its transaction commits) no write admitted under the old row is still on its way.
-- A place that a move fills or has left is opened by that move alone (arrive): it ends the stream into it first, and marks
-- where the stream back begins.
CREATE FUNCTION tenantdocs.place_fence(p_tenant uuid, p_epoch bigint, p_state text, p_access text, p_schema text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.uuid_hash_extended(p_tenant, 0));
    INSERT INTO tenantdocs.tenant_fence AS f (tenant_id, epoch, state, access, schema_name)
    VALUES (p_tenant, p_epoch, p_state, p_access, p_schema)
    ON CONFLICT (tenant_id) DO UPDATE
       SET epoch = EXCLUDED.epoch, state = EXCLUDED.state, access = EXCLUDED.access,
           schema_name = EXCLUDED.schema_name, updated_at = clock_timestamp()
     -- Epochs only grow: a delayed step of an older operation cannot bring back a place that was left.
     WHERE f.epoch <= EXCLUDED.epoch
       AND NOT (EXCLUDED.state = 'active' AND f.state IN ('importing', 'standby', 'moved'));
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TD002', MESSAGE = 'a newer epoch or a move already holds this tenant here';
    END IF;
END
$$;

-- The text search configuration by name. Immutable because the configurations come with the server and are named in full.
-- A tsvector holds at most 1 MiB (https://www.postgresql.org/docs/current/textsearch-limitations.html), and an error there would
-- refuse the document: the body is cut at 200,000 characters, and at 100,000 when its characters are long. Measured worst
-- case, unique hyphenated words (each is kept whole and in parts): 1.13 MB from 200,000 characters of four bytes.
CREATE FUNCTION tenantdocs.search_vector(p_language text, p_title text, p_body text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.setweight(pg_catalog.to_tsvector(('pg_catalog.' || p_language)::regconfig, p_title), 'A')
        || pg_catalog.setweight(pg_catalog.to_tsvector(('pg_catalog.' || p_language)::regconfig, pg_catalog.left(p_body,
            CASE WHEN pg_catalog.octet_length(pg_catalog.left(p_body, 200000)) > 250000 THEN 100000 ELSE 200000 END)), 'B')
$$;

REVOKE ALL ON FUNCTION tenantdocs.enter_read(uuid, bigint), tenantdocs.enter_write(uuid, bigint),
    tenantdocs.require(boolean, text, text), tenantdocs.search_vector(text, text, text),
    tenantdocs.place_fence(uuid, bigint, text, text, text) FROM PUBLIC;
GRANT USAGE ON SCHEMA tenantdocs TO tenantdocs_app, tenantdocs_mover, tenantdocs_search;
GRANT EXECUTE ON FUNCTION tenantdocs.enter_read(uuid, bigint), tenantdocs.enter_write(uuid, bigint),
    tenantdocs.require(boolean, text, text), tenantdocs.search_vector(text, text, text)
    TO tenantdocs_app, tenantdocs_mover;
GRANT EXECUTE ON FUNCTION tenantdocs.place_fence(uuid, bigint, text, text, text) TO tenantdocs_mover;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenantdocs.tenant_fence TO tenantdocs_mover;
