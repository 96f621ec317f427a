-- The control database. Runs as the catalog's administrator with search_path = catalog.

CREATE TABLE settings (
    name text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE servers (
    name text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    region text NOT NULL DEFAULT 'default',
    connection_string text NOT NULL,
    role_secret text NOT NULL,
    capacity int NOT NULL CHECK (capacity > 0),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'draining')),
    created_at timestamptz NOT NULL,
    -- PostgreSQL's system identifier, once it was reached: two names may lead to one cluster.
    cluster text
);

CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    slug text NOT NULL,
    name text NOT NULL,
    tier text NOT NULL,
    status text NOT NULL CHECK (status IN ('provisioning', 'active', 'suspended', 'pendingDeletion', 'purged', 'failed')),
    access_mode text NOT NULL DEFAULT 'readWrite' CHECK (access_mode IN ('readWrite', 'readOnly', 'offline')),
    region text,
    language text NOT NULL DEFAULT 'english',
    suspend_reason text,
    purge_at timestamptz,
    schema_version int NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    purge_certificate jsonb
);
-- A purged tenant keeps its row (the certificate) and frees its slug.
CREATE UNIQUE INDEX tenants_slug ON tenants (slug) WHERE status <> 'purged';
CREATE INDEX tenants_by_creation ON tenants (created_at, id);

CREATE TABLE placements (
    tenant_id uuid PRIMARY KEY REFERENCES tenants (id),
    isolation text NOT NULL CHECK (isolation IN ('shared', 'schema', 'database')),
    server text NOT NULL REFERENCES servers (name),
    database_name text NOT NULL,
    schema_name text NOT NULL,
    epoch bigint NOT NULL CHECK (epoch > 0)
);
CREATE INDEX placements_by_server ON placements (server, isolation);

CREATE TABLE operations (
    id uuid PRIMARY KEY,
    type text NOT NULL,
    tenant_id uuid REFERENCES tenants (id),
    tenant_slug text,
    status text NOT NULL CHECK (status IN ('pending', 'running', 'waiting', 'succeeded', 'failed', 'cancelling', 'cancelled')),
    phase text,
    phases text[] NOT NULL DEFAULT '{}',
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    unit text NOT NULL DEFAULT 'steps',
    input jsonb NOT NULL DEFAULT '{}',
    state jsonb NOT NULL DEFAULT '{}',
    result jsonb,
    problem jsonb,
    cancellable boolean NOT NULL DEFAULT true,
    requested_by text NOT NULL,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    run_after timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    -- Completed steps, and whether they are being undone.
    step int NOT NULL DEFAULT 0,
    undoing boolean NOT NULL DEFAULT false,
    signals jsonb NOT NULL DEFAULT '{}',
    -- False for work that goes on beside others of the same tenant.
    exclusive boolean NOT NULL DEFAULT true,
    -- The fencing token of the lease: a worker that lost its lease cannot write its state any more.
    lease_owner uuid,
    lease_token bigint NOT NULL DEFAULT 0,
    lease_until timestamptz
);
-- One operation at a time per tenant.
CREATE UNIQUE INDEX operations_active ON operations (tenant_id)
    WHERE exclusive AND status IN ('pending', 'running', 'waiting', 'cancelling');
CREATE INDEX operations_queue ON operations (run_after) WHERE status IN ('pending', 'running', 'waiting', 'cancelling');
CREATE INDEX operations_by_creation ON operations (created_at DESC, id DESC);

-- What an operation is about to create, written before it is created, so that a sweeper can always clean.
CREATE TABLE operation_objects (
    operation_id uuid NOT NULL REFERENCES operations (id),
    kind text NOT NULL CHECK (kind IN ('database', 'schema', 'rows', 'slot', 'publication')),
    server text NOT NULL,
    database_name text NOT NULL,
    name text NOT NULL,
    planned_at timestamptz NOT NULL,
    settled_at timestamptz,
    outcome text CHECK (outcome IN ('kept', 'removed')),
    PRIMARY KEY (operation_id, kind, server, database_name, name)
);
CREATE INDEX operation_objects_by_name ON operation_objects (name, kind);
CREATE INDEX operation_objects_unsettled ON operation_objects (operation_id) WHERE settled_at IS NULL;

-- What people saw of an operation, change by change: written by the trigger below, in the same transaction, so that a
-- stream of events never says more or less than the row did.
CREATE TABLE operation_events (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    operation_id uuid NOT NULL REFERENCES operations (id),
    data jsonb NOT NULL,
    PRIMARY KEY (operation_id, seq)
);

CREATE FUNCTION operation_changed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT'
       OR (NEW.status, NEW.phase, NEW.done, NEW.total, NEW.unit, NEW.cancellable, NEW.undoing, NEW.result, NEW.problem,
           NEW.state -> 'details')
          IS DISTINCT FROM
          (OLD.status, OLD.phase, OLD.done, OLD.total, OLD.unit, OLD.cancellable, OLD.undoing, OLD.result, OLD.problem,
           OLD.state -> 'details') THEN
        INSERT INTO operation_events (operation_id, data)
        VALUES (NEW.id, jsonb_build_object('status', NEW.status, 'phase', NEW.phase, 'done', NEW.done, 'total', NEW.total,
            'unit', NEW.unit, 'cancellable', NEW.cancellable, 'startedAt', NEW.started_at, 'finishedAt', NEW.finished_at,
            'result', NEW.result, 'problem', NEW.problem, 'details', NEW.state -> 'details'));
        PERFORM pg_notify('tenantdocs_operations', NEW.id::text);
    END IF;
    -- For the worker that holds it: somebody else wrote to the row.
    IF TG_OP = 'UPDATE'
       AND (NEW.signals <> OLD.signals OR (NEW.status = 'cancelling' AND OLD.status <> 'cancelling')) THEN
        PERFORM pg_notify('tenantdocs_operations', '!' || NEW.id::text);
    END IF;
    -- An empty word means: there is something to take.
    IF NEW.lease_owner IS NULL AND NEW.status IN ('pending', 'running', 'waiting', 'cancelling') AND NEW.run_after <= now() THEN
        PERFORM pg_notify('tenantdocs_operations', '');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER operations_changed AFTER INSERT OR UPDATE ON operations FOR EACH ROW EXECUTE FUNCTION operation_changed();

-- require: turns a fact that a statement found into the end of the transaction.
CREATE FUNCTION require(p_fact boolean, p_code text, p_message text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF p_fact IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = p_code, MESSAGE = p_message;
    END IF;
    RETURN true;
END
$$;

-- hold_lease: the first statement of every transaction in which a worker writes. Raises TD010 when another worker has
-- taken the operation over, TD011 when it must not go on because a cancellation was accepted; locks the row otherwise.
CREATE FUNCTION hold_lease(p_operation uuid, p_token bigint, p_unless_cancelling boolean) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_status text;
BEGIN
    SELECT o.status INTO v_status FROM operations AS o
     WHERE o.id = p_operation AND o.lease_token = p_token AND o.finished_at IS NULL FOR UPDATE;
    IF v_status IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'TD010', MESSAGE = 'another worker holds this operation';
    END IF;
    IF p_unless_cancelling AND v_status = 'cancelling' THEN
        RAISE EXCEPTION USING ERRCODE = 'TD011', MESSAGE = 'a cancellation was accepted';
    END IF;
END
$$;

-- API keys of tenants, and of staff where tenant_id is null. Only a hash is kept.
CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id),
    name text NOT NULL,
    prefix text NOT NULL,
    hash bytea NOT NULL UNIQUE,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'viewer', 'staff')),
    scopes text[],
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_keys_by_tenant ON api_keys (tenant_id, created_at);

CREATE TABLE staff_audit (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    detail jsonb NOT NULL,
    trace_id text
);

CREATE TABLE idempotency_keys (
    actor text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status int,
    headers jsonb,
    body text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (actor, key)
);

-- Every node caches routes; this tells them which tenant changed. Correctness never depends on it: the fence does that.
CREATE FUNCTION tenant_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_notify('tenantdocs_tenants', pg_catalog.to_jsonb(NEW) ->> TG_ARGV[0]);
    RETURN NULL;
END
$$;
CREATE TRIGGER tenants_changed AFTER INSERT OR UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION tenant_changed('id');
CREATE TRIGGER placements_changed AFTER INSERT OR UPDATE ON placements FOR EACH ROW EXECUTE FUNCTION tenant_changed('tenant_id');

-- Every node knows the servers; this tells them of a new one, and of one that is reached or used another way.
CREATE FUNCTION server_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_notify('tenantdocs_servers', NEW.name);
    RETURN NULL;
END
$$;
CREATE TRIGGER servers_changed AFTER INSERT OR UPDATE OF region, connection_string, role_secret, capacity, status ON servers
    FOR EACH ROW EXECUTE FUNCTION server_changed();
