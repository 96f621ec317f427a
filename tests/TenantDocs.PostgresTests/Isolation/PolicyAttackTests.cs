using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;

namespace TenantDocs.PostgresTests.Isolation;

/// <summary>Attacks on rows by a session that already stands on the victim's place: only the policies are left.</summary>
[Collection(nameof(AttackGround))]
[Trait("Category", "Negative")]
public sealed class PolicyAttackTests(AttackGround ground)
{
    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_11_A_filter_and_a_setting_that_disagree_see_nothing(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        await ground.WriteAsync(victim);
        const string Sql = "SELECT count(*) FROM documents WHERE tenant_id = $1";

        await using var own = await ground.IntrudeAsync(victim, victim);
        Assert.NotEqual(0, await own.AskAsync<long>(Sql, SqlValue.Of(victim.Id.Value)));

        await using var other = await ground.IntrudeAsync(attacker, victim);
        Assert.Equal(0, await other.AskAsync<long>(Sql, SqlValue.Of(victim.Id.Value)));
        var plan = await other.LinesAsync($"EXPLAIN (ANALYZE, COSTS OFF) {Sql}", SqlValue.Of(victim.Id.Value));
        Assert.Contains(plan, l => l.Contains("never executed", StringComparison.Ordinal));
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_12_No_statement_reads_changes_or_deletes_a_foreign_row(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        var id = await ground.WriteAsync(victim);
        await using var session = await ground.IntrudeAsync(attacker, victim);
        string[] statements =
        [
            "UPDATE documents SET title = 'taken' WHERE id = $1",
            "DELETE FROM documents WHERE id = $1",
            "MERGE INTO documents AS d USING (SELECT $1 AS id) AS s ON d.id = s.id WHEN MATCHED THEN UPDATE SET title = 'taken'",
            "MERGE INTO documents AS d USING (SELECT $1 AS id) AS s ON d.id = s.id WHEN MATCHED THEN DELETE",
            "WITH gone AS (DELETE FROM documents WHERE id = $1 RETURNING id) SELECT FROM gone",
        ];
        foreach (var statement in statements)
        {
            Assert.Equal(0, Math.Max(0, await session.ExecuteAsync(statement, SqlValue.Of(id))));
        }

        Assert.Equal(0, await session.AskAsync<long>("SELECT count(*) FROM documents WHERE id = $1", SqlValue.Of(id)));
        await session.ExecuteAsync("COMMIT");

        await using var control = await ground.IntrudeAsync(victim, victim);
        Assert.Equal(1, await control.ExecuteAsync(statements[0], SqlValue.Of(id)));
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_12_A_row_for_another_tenant_is_refused_in_every_form(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        var taken = await ground.WriteAsync(victim);
        await using var session = await ground.IntrudeAsync(attacker, victim);
        var mine = Guid.CreateVersion7();
        Assert.Equal(1, await InsertAsync(session, "", attacker, mine));

        await RefusedAsync("", Guid.CreateVersion7());
        await RefusedAsync(" ON CONFLICT DO NOTHING", taken);
        await RefusedAsync(" ON CONFLICT (tenant_id, id) DO UPDATE SET title = 'taken'", taken);
        await session.RefusedAsync(
            PostgresErrorCodes.InsufficientPrivilege,
            "UPDATE documents SET tenant_id = $1 WHERE id = $2",
            SqlValue.Of(victim.Id.Value),
            SqlValue.Of(mine)
        );
        await session.RefusedAsync(
            PostgresErrorCodes.InsufficientPrivilege,
            """
            MERGE INTO documents AS d USING (SELECT $2 AS id) AS s ON d.id = s.id
             WHEN MATCHED THEN UPDATE SET tenant_id = $1
            """,
            SqlValue.Of(victim.Id.Value),
            SqlValue.Of(mine)
        );

        Task<PostgresException> RefusedAsync(string ending, Guid id) =>
            session.RefusedAsync(
                PostgresErrorCodes.InsufficientPrivilege,
                AttackGround.InsertDocument + ending,
                SqlValue.Of(victim.Id.Value),
                SqlValue.Of(id),
                SqlValue.Of("planted")
            );
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_13_A_child_cannot_hang_on_a_foreign_parent(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        var parent = await ground.WriteAsync(victim);
        const string Child = "INSERT INTO document_tags (tenant_id, tag, document_id) VALUES ($1, $2, $3)";

        await using (var session = await ground.IntrudeAsync(attacker, victim))
        {
            // Under the attacker's own id the key says that there is no such parent; under the victim's the policy says no.
            await session.RefusedAsync(PostgresErrorCodes.ForeignKeyViolation, Child, Tag(attacker));
            await session.RefusedAsync(PostgresErrorCodes.InsufficientPrivilege, Child, Tag(victim));
        }

        await using var control = await ground.IntrudeAsync(victim, victim);
        Assert.Equal(1, await control.ExecuteAsync(Child, Tag(victim)));

        NpgsqlParameter[] Tag(Tenant tenant) => [SqlValue.Of(tenant.Id.Value), SqlValue.Of("tag"), SqlValue.Of(parent)];
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_13_Deleting_a_parent_deletes_its_own_children_and_no_foreign_ones(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        var id = await ground.WriteAsync(victim);
        await using var session = await ground.IntrudeAsync(victim, victim);
        await TagAsync(session, victim, id);
        // The same document id, on the same place, in another tenant's hands: as if ids had been guessed.
        await session.ExecuteAsync("SELECT set_config('app.current_tenant', $1, true)", Id(attacker));
        await InsertAsync(session, "", attacker, id);
        await TagAsync(session, attacker, id);

        Assert.Equal(1, await session.ExecuteAsync("DELETE FROM documents WHERE id = $1", SqlValue.Of(id)));

        const string Tags = "SELECT count(*) FROM document_tags WHERE document_id = $1";
        Assert.Equal(0, await session.AskAsync<long>(Tags, SqlValue.Of(id)));
        await session.ExecuteAsync("SELECT set_config('app.current_tenant', $1, true)", Id(victim));
        Assert.Equal(1, await session.AskAsync<long>(Tags, SqlValue.Of(id)));
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_14_A_foreign_tenants_key_is_free_to_use_so_it_tells_nothing(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        var id = await ground.WriteAsync(victim);

        await using var session = await ground.IntrudeAsync(attacker, victim);
        Assert.Equal(1, await InsertAsync(session, "", attacker, id));
        Assert.Equal(1, await session.AskAsync<long>("SELECT count(*) FROM documents WHERE id = $1", SqlValue.Of(id)));
        await session.RefusedAsync(
            PostgresErrorCodes.UniqueViolation,
            AttackGround.InsertDocument,
            SqlValue.Of(attacker.Id.Value),
            SqlValue.Of(id),
            SqlValue.Of("mine twice")
        );
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_15_A_setting_that_names_no_tenant_sees_nothing(IsolationModel model)
    {
        var (victim, _) = await ground.PairAsync(model);
        await ground.WriteAsync(victim);
        await using var session = await ground.IntrudeAsync(victim, victim);
        const string Count = "SELECT count(*) FROM documents";
        const string Set = "SELECT set_config('app.current_tenant', $1, true)";
        var all = await session.AskAsync<long>(Count);
        Assert.NotEqual(0, all);

        foreach (var nobody in new[] { null, "", Guid.Empty.ToString(), Guid.CreateVersion7().ToString() })
        {
            await session.ExecuteAsync(Set, SqlValue.Of(nobody));
            Assert.Equal(0, await session.AskAsync<long>(Count));
        }

        foreach (
            var nonsense in new[] { " ", "*", "%", "true", $"{victim.Id}' OR true --", $"{victim.Id},{victim.Id}" }
        )
        {
            await session.ExecuteAsync(Set, SqlValue.Of(nonsense));
            await session.RefusedAsync(PostgresErrorCodes.InvalidTextRepresentation, Count);
        }

        // The same tenant, written otherwise: neither fewer nor more rows.
        await session.ExecuteAsync(Set, SqlValue.Of(victim.Id.ToString().ToUpperInvariant()));
        Assert.Equal(all, await session.AskAsync<long>(Count));
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_18_COPY_shows_own_rows_only_and_loads_nothing(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        var id = await ground.WriteAsync(victim);

        Assert.Contains(id.ToString(), await CopyAsync(victim), StringComparison.Ordinal);
        Assert.DoesNotContain(victim.Id.ToString(), await CopyAsync(attacker), StringComparison.Ordinal);

        await using var session = await ground.IntrudeAsync(victim, victim);
        var refusal = await Assert.ThrowsAsync<PostgresException>(() =>
            session.BeginTextImportAsync(
                "COPY document_tags (tenant_id, tag, document_id) FROM STDIN",
                AttackGround.Stop
            )
        );
        Assert.Equal(PostgresErrorCodes.FeatureNotSupported, refusal.SqlState);

        async Task<string> CopyAsync(Tenant tenant)
        {
            await using var connection = await ground.IntrudeAsync(tenant, victim);
            using var reader = await connection.BeginTextExportAsync(
                "COPY documents (tenant_id, id) TO STDOUT",
                CancellationToken.None
            );
            return await reader.ReadToEndAsync();
        }
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_20_Row_security_off_is_an_error_and_not_a_way_around(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        await using var session = await ground.IntrudeAsync(attacker, victim);
        Assert.Equal(0, await session.AskAsync<long>("SELECT count(*) FROM documents"));

        await session.ExecuteAsync("SET LOCAL row_security = off");

        await session.RefusedAsync(PostgresErrorCodes.InsufficientPrivilege, "SELECT count(*) FROM documents");
        await session.RefusedAsync(PostgresErrorCodes.InsufficientPrivilege, "DELETE FROM documents");
    }

    [Theory, ClassData(typeof(EveryModel))]
    public async Task Attack_21_Text_that_looks_like_SQL_is_only_text(IsolationModel model)
    {
        var (victim, attacker) = await ground.PairAsync(model);
        await using var session = await ground.IntrudeAsync(attacker, victim);
        string[] texts =
        [
            $"'; SET app.current_tenant = '{victim.Id}'; --",
            $"$1); SELECT set_config('app.current_tenant', '{victim.Id}', false); --",
            "\\'; DROP TABLE documents; --",
            "' OR tenant_id = tenant_id --",
            "$$; DELETE FROM documents; $$",
        ];
        foreach (var text in texts)
        {
            await InsertAsync(session, "", attacker, Guid.CreateVersion7(), text);
            Assert.Equal(
                text,
                await session.AskAsync<string>("SELECT title FROM documents WHERE title = $1", SqlValue.Of(text))
            );
        }

        Assert.Equal(
            attacker.Id.ToString(),
            await session.AskAsync<string>("SELECT current_setting('app.current_tenant')")
        );
        Assert.Equal(texts.Length, await session.AskAsync<long>("SELECT count(*) FROM documents"));
    }

    private static Task<int> InsertAsync(
        NpgsqlConnection session,
        string ending,
        Tenant tenant,
        Guid id,
        string title = "mine"
    ) =>
        session.ExecuteAsync(
            AttackGround.InsertDocument + ending,
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(id),
            SqlValue.Of(title)
        );

    private static Task<int> TagAsync(NpgsqlConnection session, Tenant tenant, Guid id) =>
        session.ExecuteAsync(
            "INSERT INTO document_tags (tenant_id, tag, document_id) VALUES ($1, 'tag', $2)",
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(id)
        );

    private static NpgsqlParameter Id(Tenant tenant) => SqlValue.Of(tenant.Id.ToString());
}
