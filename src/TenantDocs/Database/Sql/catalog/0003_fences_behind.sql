-- Tenants whose condition changed and whose fence does not say so yet: written with the change, in one transaction, and
-- removed when the fence is in line. So a host that dies in between, or a server that is away, leaves nothing forgotten.
CREATE TABLE fences_behind (
    tenant_id uuid PRIMARY KEY REFERENCES tenants (id),
    -- Of the tenants row: an alignment with an older condition does not remove the mark of a newer one.
    version bigint NOT NULL,
    tried_at timestamptz NOT NULL
);
CREATE INDEX fences_behind_by_try ON fences_behind (tried_at);
