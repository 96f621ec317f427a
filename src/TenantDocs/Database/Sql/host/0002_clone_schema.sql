-- clone_schema: makes a tenant schema from the schema "template" in one call, so that a new tenant never replays
-- migrations, however many there are. Definitions come from the catalog itself (pg_get_*def), names are kept, so later
-- migrations find the same objects in every schema. A test compares a clone with a schema made by the migrations.
CREATE FUNCTION tenantdocs.clone_schema(p_source text, p_target text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_source oid := (SELECT oid FROM pg_namespace WHERE nspname = p_source);
    v_from text := quote_ident(p_source) || '.';
    v_to text := quote_ident(p_target) || '.';
    r record;
BEGIN
    IF v_source IS NULL THEN
        RAISE EXCEPTION 'there is no schema % to clone', p_source;
    END IF;
    EXECUTE format('CREATE SCHEMA %I', p_target);
    EXECUTE (SELECT string_agg(format('GRANT %s ON SCHEMA %I TO %I', a.privilege_type, p_target, a.grantee::regrole::text), ';')
               FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
              WHERE n.oid = v_source AND a.grantee <> n.nspowner AND a.grantee <> 0);

    FOR r IN SELECT c.oid, c.relname, c.relforcerowsecurity, c.reloptions FROM pg_class AS c
              WHERE c.relnamespace = v_source AND c.relkind = 'r' ORDER BY c.oid LOOP
        EXECUTE format('CREATE TABLE %s%I (LIKE %s%I INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS)',
            v_to, r.relname, v_from, r.relname);
        IF r.reloptions IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %s%I SET (%s)', v_to, r.relname, array_to_string(r.reloptions, ', '));
        END IF;
    END LOOP;

    -- Keys before foreign keys; indexes that belong to no constraint after both.
    FOR r IN SELECT t.relname, k.conname, pg_get_constraintdef(k.oid) AS definition
               FROM pg_constraint AS k JOIN pg_class AS t ON t.oid = k.conrelid
              WHERE k.connamespace = v_source AND k.contype IN ('p', 'u', 'x', 'f')
              ORDER BY k.contype = 'f', k.oid LOOP
        EXECUTE format('ALTER TABLE %s%I ADD CONSTRAINT %I %s', v_to, r.relname, r.conname, replace(r.definition, v_from, v_to));
    END LOOP;
    FOR r IN SELECT pg_get_indexdef(i.indexrelid) AS definition
               FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
              WHERE c.relnamespace = v_source
                AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
              ORDER BY i.indexrelid LOOP
        EXECUTE replace(r.definition, ' ON ' || v_from, ' ON ' || v_to);
    END LOOP;

    FOR r IN SELECT p.*, c.relname FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
              WHERE c.relnamespace = v_source ORDER BY p.oid LOOP
        EXECUTE format('CREATE POLICY %I ON %s%I AS %s FOR %s TO %s %s %s', r.polname, v_to, r.relname,
            CASE WHEN r.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
            CASE r.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
            (SELECT string_agg(CASE WHEN o = 0 THEN 'PUBLIC' ELSE quote_ident(o::regrole::text) END, ', ') FROM unnest(r.polroles) AS o),
            'USING (' || pg_get_expr(r.polqual, r.polrelid) || ')',
            'WITH CHECK (' || pg_get_expr(r.polwithcheck, r.polrelid) || ')');
    END LOOP;
    FOR r IN SELECT c.relname, a.privilege_type, a.grantee::regrole::text AS grantee, NULL::text AS column_name
               FROM pg_class AS c, aclexplode(c.relacl) AS a
              WHERE c.relnamespace = v_source AND c.relkind = 'r' AND a.grantee <> c.relowner
             UNION ALL
             SELECT c.relname, a.privilege_type, a.grantee::regrole::text, t.attname
               FROM pg_class AS c JOIN pg_attribute AS t ON t.attrelid = c.oid, aclexplode(t.attacl) AS a
              WHERE c.relnamespace = v_source AND c.relkind = 'r' AND a.grantee <> c.relowner LOOP
        EXECUTE format('GRANT %s%s ON %s%I TO %I', r.privilege_type, ' (' || quote_ident(r.column_name) || ')', v_to, r.relname, r.grantee);
    END LOOP;
    FOR r IN SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class AS c
              WHERE c.relnamespace = v_source AND c.relkind = 'r' LOOP
        IF r.relrowsecurity THEN EXECUTE format('ALTER TABLE %s%I ENABLE ROW LEVEL SECURITY', v_to, r.relname); END IF;
        IF r.relforcerowsecurity THEN EXECUTE format('ALTER TABLE %s%I FORCE ROW LEVEL SECURITY', v_to, r.relname); END IF;
    END LOOP;

    FOR r IN SELECT p.oid, p.proname, p.proowner, pg_get_function_identity_arguments(p.oid) AS arguments,
                    replace(pg_get_functiondef(p.oid), v_from, v_to) AS definition, p.proacl
               FROM pg_proc AS p WHERE p.pronamespace = v_source ORDER BY p.oid LOOP
        -- A SQL body is checked when created: the new schema must be the one that its unqualified names find.
        PERFORM set_config('search_path', p_target, true);
        EXECUTE replace(r.definition, format('SET search_path TO %L', p_source), format('SET search_path TO %L', p_target));
        PERFORM set_config('search_path', 'pg_catalog', true);
        EXECUTE format('REVOKE ALL ON FUNCTION %s%I(%s) FROM PUBLIC', v_to, r.proname, r.arguments);
        EXECUTE coalesce((SELECT string_agg(format('GRANT EXECUTE ON FUNCTION %s%I(%s) TO %I', v_to, r.proname, r.arguments, a.grantee::regrole::text), ';')
                   FROM aclexplode(r.proacl) AS a WHERE a.grantee <> r.proowner AND a.grantee <> 0), 'SELECT');
        EXECUTE format('GRANT CREATE ON SCHEMA %I TO %I', p_target, r.proowner::regrole::text);
        EXECUTE format('ALTER FUNCTION %s%I(%s) OWNER TO %I', v_to, r.proname, r.arguments, r.proowner::regrole::text);
        EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM %I', p_target, r.proowner::regrole::text);
    END LOOP;

    INSERT INTO tenantdocs.schema_version (target, area, version, name, checksum)
    SELECT p_target, v.area, v.version, v.name, v.checksum
      FROM tenantdocs.schema_version AS v
     WHERE v.target = p_source;
END
$$;
REVOKE ALL ON FUNCTION tenantdocs.clone_schema(text, text) FROM PUBLIC;
