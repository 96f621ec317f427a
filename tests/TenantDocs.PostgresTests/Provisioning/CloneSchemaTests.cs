using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Provisioning;

public sealed class CloneSchemaTests(PostgresFixture postgres)
{
    // Everything that a schema's objects are made of, by name; the schema's own name is taken out.
    private const string Describe = """
        WITH s AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = '{0}')
        SELECT replace(line, '{0}', '<schema>') FROM (
            SELECT format('schema %s %s', s.oid::regnamespace, (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(n.nspacl) AS a)) AS line
              FROM s JOIN pg_namespace AS n USING (oid)
            UNION ALL
            SELECT format('table %s owner=%s rls=%s force=%s options=%s acl=%s', c.relname, c.relowner::regrole, c.relrowsecurity,
                          c.relforcerowsecurity, c.reloptions, (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(c.relacl) AS a))
              FROM s JOIN pg_class AS c ON c.relnamespace = s.oid WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S')
            UNION ALL
            SELECT format('column %s.%s #%s %s null=%s default=%s generated=%s collation=%s storage=%s acl=%s', c.relname, t.attname, t.attnum,
                          format_type(t.atttypid, t.atttypmod), NOT t.attnotnull, pg_get_expr(d.adbin, d.adrelid), t.attgenerated,
                          t.attcollation::regcollation, t.attstorage, t.attacl)
              FROM s JOIN pg_class AS c ON c.relnamespace = s.oid AND c.relkind = 'r'
              JOIN pg_attribute AS t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped
              LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = t.attnum
            UNION ALL
            SELECT format('constraint %s.%s %s', c.relname, k.conname, pg_get_constraintdef(k.oid))
              FROM s JOIN pg_constraint AS k ON k.connamespace = s.oid JOIN pg_class AS c ON c.oid = k.conrelid
            UNION ALL
            SELECT format('index %s %s options=%s valid=%s', c.relname, pg_get_indexdef(c.oid), c.reloptions, i.indisvalid)
              FROM s JOIN pg_class AS c ON c.relnamespace = s.oid AND c.relkind = 'i' JOIN pg_index AS i ON i.indexrelid = c.oid
            UNION ALL
            SELECT format('policy %s.%s %s %s %s USING %s CHECK %s', c.relname, p.polname, p.polpermissive, p.polcmd,
                          (SELECT string_agg(CASE WHEN o = 0 THEN 'public' ELSE o::regrole::text END, ',') FROM unnest(p.polroles) AS o),
                          pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
              FROM s JOIN pg_class AS c ON c.relnamespace = s.oid JOIN pg_policy AS p ON p.polrelid = c.oid
            UNION ALL
            SELECT format('function %s(%s) owner=%s acl=%s %s', p.proname, pg_get_function_identity_arguments(p.oid), p.proowner::regrole,
                          (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(p.proacl) AS a), pg_get_functiondef(p.oid))
              FROM s JOIN pg_proc AS p ON p.pronamespace = s.oid
            UNION ALL
            SELECT format('trigger %s.%s %s', c.relname, t.tgname, pg_get_triggerdef(t.oid))
              FROM s JOIN pg_class AS c ON c.relnamespace = s.oid JOIN pg_trigger AS t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal
            UNION ALL
            SELECT format('migration %s %s %s', v.area, v.version, encode(v.checksum, 'hex'))
              FROM s JOIN tenantdocs.schema_version AS v ON v.target = s.nspname
        ) AS lines ORDER BY 1
        """;

    [Fact]
    public async Task A_cloned_schema_equals_one_that_the_migrations_made()
    {
        var server = await postgres.ServerConnectionString(0);
        await using var platform = await Platform.StartAsync(server, [server]);
        var database = platform.Get<DatabaseNames>().SchemaDatabase;
        var tenant = await platform.NewTenantAsync(IsolationModel.Schema);
        var migrated = new PgIdentifier("t_00000000000000000000000000000001");
        await platform
            .Get<ServerBootstrap>()
            .MigrateAsync("local-1", database, migrated, TestContext.Current.CancellationToken);

        var clone = await LinesAsync(platform, database, tenant.Placement.Schema);
        var made = await LinesAsync(platform, database, migrated);

        Assert.Contains(made, l => l.StartsWith("policy documents.tenant_isolation", StringComparison.Ordinal));
        Assert.Contains(made, l => l.StartsWith("function search_documents", StringComparison.Ordinal));
        Assert.Equal(made, clone);
    }

    private static Task<IReadOnlyList<string>> LinesAsync(
        Platform platform,
        PgIdentifier database,
        PgIdentifier schema
    ) => Homes.ReadAsync(platform, database, Describe.Replace("{0}", schema.Name, StringComparison.Ordinal));
}
