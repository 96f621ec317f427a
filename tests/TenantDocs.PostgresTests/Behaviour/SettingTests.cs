using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Isolation;

namespace TenantDocs.PostgresTests.Behaviour;

/// <summary>How PostgreSQL and Npgsql treat a setting that lives for one transaction.</summary>
[Collection(nameof(AttackGround))]
public sealed class SettingTests(AttackGround ground)
{
    private const string Setting = "SELECT current_setting('app.current_tenant', true)";

    /// <summary>Relied on by the tenant policies: NULLIF(current_setting(…), '')::uuid (Database/Sql/tenant/0001_documents.sql).</summary>
    [Fact]
    public async Task A_local_setting_ends_as_an_empty_string_and_not_as_null()
    {
        await using var session = await OpenAsync();
        Assert.Null(await session.AskAsync<string>(Setting));
        await session.RefusedAsync(
            PostgresErrorCodes.UndefinedObject,
            "SELECT current_setting('app.current_tenant')::uuid"
        );

        await session.ExecuteAsync("BEGIN; SELECT set_config('app.current_tenant', 'x', true); COMMIT");

        Assert.Equal("", await session.AskAsync<string>(Setting));
        await session.RefusedAsync(
            PostgresErrorCodes.InvalidTextRepresentation,
            "SELECT current_setting('app.current_tenant', true)::uuid"
        );
        Assert.True(
            await session.AskAsync<bool>("SELECT NULLIF(current_setting('app.current_tenant', true), '')::uuid IS NULL")
        );
    }

    /// <summary>Relied on by <see cref="TenantSession.CreateBatch"/>: gate and statements in one round trip without BEGIN.</summary>
    [Fact]
    public async Task A_batch_is_one_implicit_transaction_and_its_setting_is_gone_afterwards()
    {
        await using var session = await OpenAsync();
        Assert.Equal("x", await SecondResultAsync(session, barriers: false));
        Assert.Equal("", await session.AskAsync<string>(Setting));

        await session.ExecuteAsync("SELECT set_config('app.current_tenant', 'x', true)");
        Assert.Equal("", await session.AskAsync<string>(Setting)); // alone, it ends with its own statement
    }

    /// <summary>Why BannedSymbols.txt bans error barriers.</summary>
    [Fact]
    public async Task An_error_barrier_ends_the_transaction_and_loses_the_setting()
    {
        await using var session = await OpenAsync();
        Assert.Equal("", await SecondResultAsync(session, barriers: true));
    }

    /// <summary>Relied on by every write of the Documents room: the first error undoes all of its statements.</summary>
    [Fact]
    public async Task An_error_in_a_batch_undoes_what_came_before_it()
    {
        var (tenant, _) = await ground.PairAsync(IsolationModel.Shared);
        var id = Guid.CreateVersion7();
        await Assert.ThrowsAsync<PostgresException>(() =>
            ground.Sessions.WriteAsync(
                tenant,
                async (unit, token) =>
                {
                    await using var batch = unit.CreateBatch()
                        .Add(
                            AttackGround.InsertDocument,
                            SqlValue.Of(tenant.Id.Value),
                            SqlValue.Of(id),
                            SqlValue.Of("undone")
                        )
                        .Add("SELECT tenantdocs.require(false, 'TD412', 'no')");
                    return await batch.ExecuteAsync(token);
                },
                AttackGround.Stop
            )
        );
        Assert.Equal(0, await ground.CountAsync(tenant, id));
    }

    /// <summary>Why <see cref="DataSourceRegistry"/> may set NoResetOnClose only as long as nothing is set for the session.</summary>
    [Fact]
    public async Task Without_the_reset_a_session_setting_reaches_the_next_borrower_and_with_it_does_not()
    {
        var (tenant, _) = await ground.PairAsync(IsolationModel.Shared);
        foreach (var noReset in new[] { true, false })
        {
            var settings = new NpgsqlConnectionStringBuilder(
                ground.Platform.Servers.ConnectionString("local-1", tenant.Placement.Database, SessionRole.App)
            )
            {
                MaxPoolSize = 1,
                NoResetOnClose = noReset,
            };
            await using var pool = NpgsqlDataSource.Create(settings.ConnectionString);
            await using (var first = await pool.OpenConnectionAsync(AttackGround.Stop))
            {
                await first.ExecuteAsync("SET app.current_tenant = 'left'");
            }

            await using (var next = await pool.OpenConnectionAsync(AttackGround.Stop))
            {
                Assert.Equal(noReset ? "left" : "", await next.AskAsync<string>(Setting));
            }
        }
    }

    /// <summary>Why the gate sets no search_path but one schema, and why MigrateAsync drops the schema public.</summary>
    [Fact]
    public async Task A_schema_that_is_missing_from_search_path_is_passed_over_without_a_word()
    {
        var (tenant, _) = await ground.PairAsync(IsolationModel.Shared);
        await using var admin = await ground.Platform.OpenAsync(tenant, SessionRole.Admin);
        await admin.ExecuteAsync("BEGIN; CREATE SCHEMA decoy; CREATE TABLE decoy.found (a int)");
        await admin.ExecuteAsync("SET LOCAL search_path = t_missing, decoy");
        Assert.Equal(0, await admin.AskAsync<long>("SELECT count(*) FROM found"));
        await admin.ExecuteAsync("SET LOCAL search_path = t_missing");
        await admin.RefusedAsync(PostgresErrorCodes.UndefinedTable, "SELECT count(*) FROM found");
        // set_config parses a list: a name with a comma in it adds a schema.
        await admin.ExecuteAsync("SELECT set_config('search_path', 't_missing, decoy', true)");
        Assert.Equal(0, await admin.AskAsync<long>("SELECT count(*) FROM found"));
    }

    private async Task<NpgsqlConnection> OpenAsync()
    {
        var (tenant, _) = await ground.PairAsync(IsolationModel.Shared);
        return await ground.Platform.OpenAsync(tenant, SessionRole.App);
    }

    private static async Task<string> SecondResultAsync(NpgsqlConnection session, bool barriers)
    {
        await using var batch = new NpgsqlBatch(session) { EnableErrorBarriers = barriers };
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT set_config('app.current_tenant', 'x', true)"));
        batch.BatchCommands.Add(new NpgsqlBatchCommand(Setting));
        await using var reader = await batch.ExecuteReaderAsync(AttackGround.Stop);
        await reader.NextResultAsync(AttackGround.Stop);
        await reader.ReadAsync(AttackGround.Stop);
        return reader.GetString(0);
    }
}
