using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>What arrives is what was there: every value, every table; and the comparison finds every difference.</summary>
public sealed class ContentTests(PostgresFixture postgres) : MoveSetting(postgres)
{
    private const string Document = """
        INSERT INTO documents (tenant_id, id, title, body, content_type, status, tags, metadata, language, bytes, version,
                               created_at, created_by, updated_at, updated_by, deleted_at)
        SELECT $1, $2, 't', coalesce($3, 'b'), '', 'draft', $4, $5, 'german', 0, 1, 'infinity', 'ü', '-infinity', '', '2026-01-01'
        """;

    private readonly TestFailPoints _failPoints = new();

    protected override void Configure(IServiceCollection services) => services.AddSingleton<FailPoints>(_failPoints);

    [Fact]
    public async Task Unusual_values_and_changes_arrive_exactly_by_copy_and_by_stream()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        var toast = string.Concat(Enumerable.Range(0, 20_000).Select(i => (char)('a' + (i * 7919 % 26))));
        var copied = Guid.NewGuid();
        await PutAsync(tenant, copied);
        var streamed = Guid.NewGuid();
        _failPoints.At(
            "move/Copied",
            async () =>
            {
                await PutAsync(tenant, streamed);
                // A large value that the update leaves alone is not sent; a key that goes and comes back; a row born and gone.
                await RunAsync(
                    tenant,
                    "UPDATE documents SET title = 'nö', metadata = '{\"a\": [1.50, null, \"\\u00e9\"]}' WHERE id = $1",
                    SqlValue.Of(copied)
                );
                await RunAsync(tenant, "DELETE FROM document_tags WHERE document_id = $1", SqlValue.Of(copied));
                await RunAsync(
                    tenant,
                    "INSERT INTO document_tags SELECT $2, tag, $1 FROM unnest(ARRAY['', ' ', 'Ä', 'x,\"y\"']) AS tag",
                    SqlValue.Of(copied),
                    SqlValue.Of(tenant.Id.Value)
                );
                var brief = Guid.NewGuid();
                await PutAsync(tenant, brief);
                await RunAsync(tenant, "DELETE FROM documents WHERE id = $1", SqlValue.Of(brief));
                await RunAsync(tenant, "DELETE FROM documents WHERE id = $1", SqlValue.Of(streamed));
                await PutAsync(tenant, streamed);
            }
        );
        var move = await MoveAsync(tenant, new MoveRequest { Isolation = IsolationModel.Schema, Server = Second });

        Succeeded(move);
        var before = await DumpAsync(tenant.Placement, tenant.Id);
        var after = await DumpAsync((await TenantAsync(tenant.Id)).Placement, tenant.Id);
        Assert.Equal(before, after);
        Assert.Contains(before, row => row.Contains("infinity", StringComparison.Ordinal));
        Assert.Contains(before, row => row.Contains(toast, StringComparison.Ordinal));
        Assert.Contains(before, row => row.Contains("nö", StringComparison.Ordinal));

        async Task PutAsync(Tenant to, Guid id)
        {
            await RunAsync(
                to,
                Document,
                SqlValue.Of(to.Id.Value),
                SqlValue.Of(id),
                SqlValue.Of("\t\\N\n'\"" + toast),
                SqlValue.Of(["", "a b", "ö", "NULL"]),
                SqlValue.Json("""{"n": 1e400, "t": "\\u0041", "e": {}, "x": null}""")
            );
            await RunAsync(
                to,
                "INSERT INTO document_tags VALUES ($1, 'tag', $2)",
                SqlValue.Of(to.Id.Value),
                SqlValue.Of(id)
            );
        }
    }

    [Theory]
    [InlineData("UPDATE {0}.documents SET body = overlay(body PLACING 'X' FROM 3) WHERE tenant_id = $1", "documents")]
    [InlineData("DELETE FROM {0}.document_changes WHERE tenant_id = $1", "document_changes")]
    [InlineData(
        "INSERT INTO {0}.tenant_state (tenant_id) SELECT gen_random_uuid() WHERE $1 IS NOT NULL",
        "tenant_state"
    )]
    [InlineData(
        "INSERT INTO {0}.document_changes VALUES ($1, 99, 'x', gen_random_uuid(), 1, now(), 'rogue')",
        "document_changes"
    )]
    public async Task The_comparison_finds_what_differs_names_it_and_the_source_serves_on(string damage, string table)
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        var id = Guid.NewGuid();
        await RunAsync(
            tenant,
            Document,
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(id),
            SqlValue.Of("body"),
            SqlValue.Of(Array.Empty<string>()),
            SqlValue.Json("{}")
        );
        await RunAsync(
            tenant,
            "INSERT INTO document_changes VALUES ($1, 1, 'created', $2, 1, now(), 'w')",
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(id)
        );
        var target = Platform.Get<Isolations>()[IsolationModel.Database].PlaceFor(tenant.Id, Second, 2);
        _failPoints.At(
            $"move/{nameof(VerifyStep)}/{FailPlace.BeforeDo}",
            async () =>
            {
                await using var connection = await Platform.Servers.OpenAsync(
                    target.Server,
                    target.Database,
                    SessionRole.Mover,
                    CancellationToken.None
                );
                await using var command = new NpgsqlCommand(
                    damage.Replace("{0}", target.Schema.Quoted, StringComparison.Ordinal),
                    connection
                );
                command.Parameters.Add(SqlValue.Of(tenant.Id.Value));
                Assert.True(await command.ExecuteNonQueryAsync() > 0);
            }
        );

        var move = await MoveAsync(tenant, new MoveRequest { Isolation = IsolationModel.Database, Server = Second });

        Assert.Equal(OperationStatus.Failed, move.Status);
        Assert.Contains("verification-failed", move.Problem.ToString());
        Assert.Contains(table, move.Problem.ToString());
        Assert.Equal(
            (First, 3),
            ((await TenantAsync(tenant.Id)).Placement.Server, (await TenantAsync(tenant.Id)).Placement.Epoch)
        );
        await OneHomeAsync(tenant.Id);
        await NothingLeaksAsync();
        Assert.DoesNotContain(target.Database.Name, await DatabasesAsync(Second));
        // And the control: undamaged, the same move goes through.
        Succeeded(
            await MoveAsync(
                await TenantAsync(tenant.Id),
                new MoveRequest { Isolation = IsolationModel.Database, Server = Second }
            )
        );
    }

    [Theory]
    [InlineData(IsolationModel.Schema)]
    [InlineData(IsolationModel.Database)]
    public async Task The_planner_knows_a_home_of_its_own_when_the_tenant_is_served_there(IsolationModel model)
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);

        Succeeded(await MoveAsync(tenant, new MoveRequest { Isolation = model, Server = Second }));

        // By an ANALYZE, not by autovacuum, which comes within a minute and is counted by itself.
        var moved = (await TenantAsync(tenant.Id)).Placement;
        const string analyzed =
            "SELECT relname FROM pg_stat_all_tables WHERE last_analyze IS NOT NULL AND schemaname = ";
        var all = await ListAsync(
            Second,
            moved.Database.Name,
            $"SELECT tablename FROM pg_tables WHERE schemaname = '{moved.Schema.Name}' ORDER BY 1"
        );
        Assert.NotEmpty(all);
        Assert.Equal(all, await ListAsync(Second, moved.Database.Name, $"{analyzed} '{moved.Schema.Name}' ORDER BY 1"));
        // The control: where nobody analyzed, nothing says so.
        Assert.Empty(await ListAsync(First, tenant.Placement.Database.Name, $"{analyzed} 'shared'"));
    }

    [Fact]
    public async Task A_tenant_table_that_nobody_thought_of_moves_too()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        foreach (var server in new[] { First, Second })
        {
            await CreateLaterAsync(server, tenant.Placement.Database);
        }

        await using (var connection = await Platform.OpenAsync(tenant, SessionRole.Admin))
        {
            await using var command = new NpgsqlCommand(
                "INSERT INTO shared.later VALUES ($1, 1), ($1, 2), (gen_random_uuid(), 3)",
                connection
            );
            command.Parameters.Add(SqlValue.Of(tenant.Id.Value));
            await command.ExecuteNonQueryAsync(CancellationToken.None);
        }

        var move = await MoveAsync(tenant, new MoveRequest { Server = Second });

        Succeeded(move);
        var moved = await TenantAsync(tenant.Id);
        Assert.Equal(
            ["1", "2"],
            await ListAsync(Second, moved.Placement.Database.Name, "SELECT n::text FROM shared.later ORDER BY n")
        );
    }

    [Fact]
    public async Task A_table_that_comes_while_the_tenant_moves_ends_the_move_and_loses_nothing()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        _failPoints.At(
            $"move/{nameof(ReadyStep)}/{FailPlace.BeforeDo}",
            async () =>
            {
                foreach (var server in new[] { First, Second })
                {
                    await CreateLaterAsync(server, tenant.Placement.Database);
                }
            }
        );

        var move = await MoveAsync(tenant, new MoveRequest { Server = Second });

        Assert.Equal(OperationStatus.Failed, move.Status);
        Assert.Contains("later", move.Problem.ToString());
        await OneHomeAsync(tenant.Id);
        await NothingLeaksAsync();
        // And the control: with the same tables from the beginning it goes through.
        Succeeded(await MoveAsync(await TenantAsync(tenant.Id), new MoveRequest { Server = Second }));
    }

    [Fact]
    public async Task What_changed_last_stays_to_be_compared_when_its_comparison_is_interrupted()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        var id = Guid.NewGuid();
        await PutAsync(tenant, id);
        var target = Platform.Get<Isolations>()[IsolationModel.Database].PlaceFor(tenant.Id, Second, 2);
        _failPoints.At(
            "move/Narrowing",
            async () =>
            {
                await RunAsync(tenant, "UPDATE documents SET title = 'last' WHERE id = $1", SqlValue.Of(id));
                while (
                    await ListAsync(Second, target.Database.Name, "SELECT title FROM tenant.documents") is not ["last"]
                )
                {
                    await Task.Delay(20);
                }

                // Behind the stream's back; and the connections that would find it are gone.
                await using var connection = await Platform.Servers.OpenAsync(
                    target.Server,
                    target.Database,
                    SessionRole.Admin,
                    CancellationToken.None
                );
                await using var command = new NpgsqlCommand(
                    """
                    UPDATE tenant.documents SET title = 'damaged';
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE starts_with(application_name, 'tenantdocs-move') AND datname = current_database()
                    """,
                    connection
                );
                await command.ExecuteNonQueryAsync();
            }
        );

        var move = await MoveAsync(tenant, new MoveRequest { Isolation = IsolationModel.Database, Server = Second });

        Assert.Equal(OperationStatus.Failed, move.Status);
        Assert.Contains("documents", move.Problem.ToString());
        await OneHomeAsync(tenant.Id);
        await NothingLeaksAsync();
    }

    [Theory]
    [InlineData(nameof(CutoverStep))]
    [InlineData(nameof(CopyStep))]
    public async Task A_completion_whose_answer_is_lost_is_not_taken_back(string step)
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        _failPoints.At($"move/{step}/{FailPlace.Unheard}", () => throw new IOException("The answer is lost."));

        var move = await MoveAsync(tenant, new MoveRequest { Isolation = IsolationModel.Database, Server = Second });

        Succeeded(move);
        Assert.Contains($"move/{step}/{FailPlace.Unheard}", _failPoints.Reached);
        Assert.Equal(Second, (await TenantAsync(tenant.Id)).Placement.Server);
        await OneHomeAsync(tenant.Id);
        await FinalizeAsync(move.Id);
        await NothingLeaksAsync();
    }

    [Fact]
    public async Task All_tenant_tables_of_this_version_are_in_a_move()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Database, server: First);
        var expected = await ListAsync(
            First,
            tenant.Placement.Database.Name,
            "SELECT tablename::text FROM pg_tables WHERE schemaname = 'tenant' ORDER BY 1"
        );

        var move = await MoveAsync(tenant, new MoveRequest { Server = Second });

        Succeeded(move);
        var verified = move.Result!.Value.GetProperty("verification").GetProperty("tables").EnumerateArray();
        Assert.Equal(expected, verified.Select(t => t.GetProperty("name").GetString()!).Order(StringComparer.Ordinal));
    }

    private async Task CreateLaterAsync(string server, TenantDocs.Database.PgIdentifier database)
    {
        await using var connection = await Platform.Servers.OpenAsync(
            server,
            database,
            SessionRole.Admin,
            CancellationToken.None
        );
        await using var command = new NpgsqlCommand(
            """
            SET ROLE tenantdocs_owner;
            CREATE TABLE shared.later (tenant_id uuid, n int, PRIMARY KEY (tenant_id, n));
            GRANT SELECT, INSERT, UPDATE, DELETE ON shared.later TO tenantdocs_mover;
            """,
            connection
        );
        await command.ExecuteNonQueryAsync(CancellationToken.None);
    }

    private Task PutAsync(Tenant tenant, Guid id) =>
        RunAsync(
            tenant,
            Document,
            SqlValue.Of(tenant.Id.Value),
            SqlValue.Of(id),
            SqlValue.Of("body"),
            SqlValue.Of(Array.Empty<string>()),
            SqlValue.Json("{}")
        );

    private async Task RunAsync(Tenant tenant, string sql, params NpgsqlParameter[] parameters) =>
        await Platform.Sessions.WriteAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session.CreateBatch().Add(sql, parameters);
                return await batch.ExecuteAsync(token);
            },
            CancellationToken.None
        );

    private async Task<List<string>> DumpAsync(Placement place, TenantId tenant)
    {
        var rows = new List<string>();
        var schema = place.Schema.Name;
        foreach (
            var table in await ListAsync(
                place.Server,
                place.Database.Name,
                $"SELECT tablename::text FROM pg_tables WHERE schemaname = '{schema}' ORDER BY 1"
            )
        )
        {
            rows.AddRange(
                await ListAsync(
                    place.Server,
                    place.Database.Name,
                    $"SELECT '{table} ' || to_jsonb(t)::text FROM {schema}.{table} AS t WHERE tenant_id = '{tenant}' ORDER BY 1"
                )
            );
        }

        return rows;
    }
}
