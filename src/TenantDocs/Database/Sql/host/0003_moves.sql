-- What a move needs in every database that holds tenants: how far a stream of changes was applied here, and the four
-- changes of a fence. Runs as tenantdocs_owner with search_path = pg_catalog.

-- One row per stream that ends here. Written in the same transaction as the rows, so a change is applied exactly once.
CREATE TABLE tenantdocs.move_progress (
    link uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    -- The fencing token of the mover: an older one that wakes up again applies nothing.
    token bigint NOT NULL,
    lsn pg_lsn NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- take_link: the mover with this token applies from now on. Returns how far the stream was applied; 0/0 = not begun.
CREATE FUNCTION tenantdocs.take_link(p_link uuid, p_tenant uuid, p_token bigint) RETURNS pg_lsn
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_lsn pg_lsn;
BEGIN
    INSERT INTO tenantdocs.move_progress AS p (link, tenant_id, token, lsn) VALUES (p_link, p_tenant, p_token, '0/0')
    ON CONFLICT (link) DO UPDATE SET token = EXCLUDED.token, updated_at = clock_timestamp()
     WHERE p.token <= EXCLUDED.token
    RETURNING p.lsn INTO v_lsn;
    IF v_lsn IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'TD021', MESSAGE = 'another mover holds this stream, or it has ended';
    END IF;
    RETURN v_lsn;
END
$$;

-- open_apply: the first statement of every transaction that applies changes. It holds the stream's row, so that a fence
-- opened here (arrive) waits for it, and none is applied once this place accepts writes of its own.
CREATE FUNCTION tenantdocs.open_apply(p_link uuid, p_token bigint) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_tenant uuid;
BEGIN
    SELECT p.tenant_id INTO v_tenant FROM tenantdocs.move_progress AS p
     WHERE p.link = p_link AND p.token = p_token FOR UPDATE;
    IF v_tenant IS NULL OR NOT EXISTS (
        SELECT FROM tenantdocs.tenant_fence AS f
         WHERE f.tenant_id = v_tenant AND f.state IN ('importing', 'moved', 'standby')) THEN
        RAISE EXCEPTION USING ERRCODE = 'TD021', MESSAGE = 'another mover holds this stream, or it has ended';
    END IF;
END
$$;

-- fence_writes: from the commit on, no write of the tenant is admitted here. Lock first, then change: when it returns, no
-- write that was admitted before is still on its way. Reads with the epoch before go on.
CREATE FUNCTION tenantdocs.fence_writes(p_tenant uuid, p_epoch bigint, p_next bigint) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_access text;
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.uuid_hash_extended(p_tenant, 0));
    UPDATE tenantdocs.tenant_fence AS f
       SET epoch = p_next, state = 'write_fenced', updated_at = clock_timestamp()
     WHERE f.tenant_id = p_tenant AND f.epoch = p_epoch AND f.state = 'active' AND p_next > p_epoch
    RETURNING f.access INTO v_access;
    IF v_access IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'TD002', MESSAGE = 'this place is not the tenant''s home at that epoch';
    END IF;
    RETURN v_access;
END
$$;

-- reopen: after an abort the place serves on, under an epoch that no session of the aborted move can carry. Only after the
-- catalog has taken that epoch: then nobody can commit the move any more, and a place that was closed for it (moved, under a
-- smaller epoch) is still the tenant's home.
CREATE FUNCTION tenantdocs.reopen(p_tenant uuid, p_next bigint) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.uuid_hash_extended(p_tenant, 0));
    UPDATE tenantdocs.tenant_fence AS f
       SET epoch = p_next, state = 'active', updated_at = clock_timestamp()
     WHERE f.tenant_id = p_tenant
       AND ((f.epoch < p_next AND f.state IN ('active', 'write_fenced', 'moved')) OR (f.epoch = p_next AND f.state = 'active'));
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TD002', MESSAGE = 'this place is not the tenant''s home any more';
    END IF;
END
$$;

-- leave: the tenant lives elsewhere; neither reads nor writes are admitted here any more.
CREATE FUNCTION tenantdocs.leave(p_tenant uuid, p_epoch bigint) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.uuid_hash_extended(p_tenant, 0));
    UPDATE tenantdocs.tenant_fence AS f
       SET state = 'moved', updated_at = clock_timestamp()
     WHERE f.tenant_id = p_tenant AND f.epoch = p_epoch AND f.state IN ('write_fenced', 'moved');
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TD002', MESSAGE = 'this place is not fenced at that epoch';
    END IF;
END
$$;

-- arrive: this place is the tenant's home from the commit on. Ends the stream that filled it, for every mover and for
-- good, and waits for a transaction of it that is still on its way. Running it again changes nothing.
CREATE FUNCTION tenantdocs.arrive(p_tenant uuid, p_epoch bigint, p_access text, p_link uuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE tenantdocs.move_progress AS p SET token = 9223372036854775807, updated_at = clock_timestamp()
     WHERE p.link = p_link;
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.uuid_hash_extended(p_tenant, 0));
    UPDATE tenantdocs.tenant_fence AS f
       SET epoch = p_epoch, state = 'active', access = p_access, updated_at = clock_timestamp()
     WHERE f.tenant_id = p_tenant
       AND ((f.epoch <= p_epoch AND f.state IN ('importing', 'moved', 'standby')) OR (f.epoch = p_epoch AND f.state = 'active'));
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TD002', MESSAGE = 'a newer epoch already holds this tenant here';
    END IF;
END
$$;

REVOKE ALL ON FUNCTION tenantdocs.take_link(uuid, uuid, bigint), tenantdocs.open_apply(uuid, bigint),
    tenantdocs.fence_writes(uuid, bigint, bigint), tenantdocs.reopen(uuid, bigint), tenantdocs.leave(uuid, bigint),
    tenantdocs.arrive(uuid, bigint, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenantdocs.take_link(uuid, uuid, bigint), tenantdocs.open_apply(uuid, bigint),
    tenantdocs.fence_writes(uuid, bigint, bigint), tenantdocs.reopen(uuid, bigint), tenantdocs.leave(uuid, bigint),
    tenantdocs.arrive(uuid, bigint, text, uuid) TO tenantdocs_mover;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenantdocs.move_progress TO tenantdocs_mover;
GRANT SELECT ON tenantdocs.schema_version TO tenantdocs_mover;
