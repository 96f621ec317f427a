-- Every node caches API keys; this tells them which one no longer is as they know it. Not for last_used_at, which changes all the time.
CREATE FUNCTION api_key_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_notify('tenantdocs_api_keys', OLD.id::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER api_keys_changed AFTER DELETE OR UPDATE OF name, role, scopes, expires_at, revoked_at ON api_keys
    FOR EACH ROW EXECUTE FUNCTION api_key_changed();
