using System.Diagnostics;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>A platform on two servers, and what tests of moves do with it.</summary>
[Collection(nameof(Alone))]
public abstract class MoveSetting(PostgresFixture postgres) : IAsyncLifetime
{
    protected const string First = "local-1";
    protected const string Second = "local-2";

    protected Platform Platform { get; private set; } = null!;

    protected TenantMoves Moves => Platform.Get<TenantMoves>();

    protected OperationRequests Requests => Platform.Get<OperationRequests>();

    public virtual async ValueTask InitializeAsync()
    {
        var one = await postgres.ServerConnectionString(0);
        await StartAsync(one, one, await postgres.ServerConnectionString(1));
    }

    public virtual async ValueTask DisposeAsync()
    {
        await Platform.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected async Task StartAsync(string catalog, string first, string second) =>
        Platform = await Platform.StartAsync(catalog, [first, second], Settings, Configure);

    protected virtual IReadOnlyDictionary<string, string?> Settings =>
        new Dictionary<string, string?>
        {
            // A loaded build machine must not fail for being slow; the figures are measured elsewhere.
            ["Moves:MaxWritePauseMs"] = "20000",
            ["Moves:ReturnInterval"] = "00:00:00.200",
            ["Isolation:MoveDeadline"] = "00:00:30",
        };

    protected virtual void Configure(Microsoft.Extensions.DependencyInjection.IServiceCollection services) { }

    protected async Task<Operation> MoveAsync(Tenant tenant, MoveRequest request)
    {
        var started = await Moves.StartAsync(tenant.Slug, request, false, "tests", CancellationToken.None);
        Assert.True(started.Error is null, started.Error?.Detail);
        return await EndAsync(started.Value.Operation.Id);
    }

    /// <summary>Gives a tenant large documents of text that does not compress, in one transaction.</summary>
    protected Task<int> FillAsync(Tenant tenant, int megabytes) =>
        Platform.Sessions.WriteAsync(
            tenant,
            async (session, token) =>
            {
                await using var batch = session
                    .CreateBatch()
                    .Add(
                        """
                        INSERT INTO documents (tenant_id, id, title, body, content_type, status, tags, metadata, language, bytes,
                                               version, created_at, created_by, updated_at, updated_by)
                        SELECT $1, gen_random_uuid(), 'large', (SELECT string_agg(md5(random()::text || n || m), '')
                               FROM generate_series(1, 2000) AS m), 'text/plain', 'draft', '{}', '{}', 'simple', 10, 1, now(), 'w', now(), 'w'
                          FROM generate_series(1, 16 * $2) AS n
                        """,
                        SqlValue.Of(tenant.Id.Value),
                        SqlValue.Of(megabytes)
                    );
                return await batch.ExecuteAsync(token);
            },
            CancellationToken.None
        );

    /// <summary>Begins a move that switches on the word only, and returns when it waits for that.</summary>
    protected async Task<Guid> WaitingAsync(Tenant tenant, MoveRequest request)
    {
        var started = await Moves.StartAsync(
            tenant.Slug,
            request with
            {
                AutoCutover = false,
            },
            false,
            "tests",
            CancellationToken.None
        );
        Assert.True(started.Error is null, started.Error?.Detail);
        var id = started.Value.Operation.Id;
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            var operation = (await Requests.FindAsync(id, CancellationToken.None))!;
            if (operation is { Status: OperationStatus.Waiting, Phase: "ready" })
            {
                return id;
            }

            Assert.False(operation.IsFinished, $"{operation.Phase}: {operation.Problem}");
            Assert.True(Stopwatch.GetElapsedTime(since) < TimeSpan.FromMinutes(2), $"Stuck in {operation.Phase}.");
            await Task.Delay(50);
        }
    }

    protected async Task<Operation> EndAsync(Guid id)
    {
        var operation = await Requests.FindAsync(id, CancellationToken.None);
        return await Requests.WaitAsync(
            new StartedOperation(operation!, null),
            TimeSpan.FromMinutes(2),
            CancellationToken.None
        );
    }

    protected static void Succeeded(Operation operation) =>
        Assert.True(
            operation.Status is OperationStatus.Succeeded,
            $"{operation.Type} {operation.Status} in {operation.Phase}: {operation.Problem}"
        );

    protected async Task<Tenant> TenantAsync(TenantId id) =>
        (await Platform.Get<TenantCatalog>().FindAsync(id, CancellationToken.None))!;

    /// <summary>Ends the keeping of every left home, and waits for it.</summary>
    protected async Task FinalizeAsync(Guid move)
    {
        var finalized = await Moves.FinalizeAsync(move, CancellationToken.None);
        Assert.True(finalized.Error is null, finalized.Error?.Detail);
        Succeeded(await EndAsync(finalized.Value.Id));
    }

    /// <summary>Returns when what a move or rollback left behind is cleared away.</summary>
    protected async Task ClearedAsync(Guid move)
    {
        for (var i = 0; i < 600; i++)
        {
            if (await Retention.FindAsync(Platform.Catalog, Requests, move, CancellationToken.None) is null)
            {
                return;
            }

            await Task.Delay(50);
        }

        Assert.Fail("What the move left behind is not cleared away.");
    }

    /// <summary>Exactly one place admits the tenant, and it is the one that the catalog names.</summary>
    protected async Task OneHomeAsync(TenantId id)
    {
        var tenant = await TenantAsync(id);
        var active = new List<string>();
        foreach (var model in Enum.GetValues<IsolationModel>())
        {
            foreach (var server in new[] { First, Second })
            {
                var place = Platform.Get<Isolations>()[model].PlaceFor(id, server, 1);
                if (await FenceAsync(place, id) is { State: "active" or "write_fenced" } fence)
                {
                    active.Add($"{model} {server} {fence.State} {fence.Epoch}");
                }
            }
        }

        var home = tenant.Placement;
        Assert.Equal([$"{home.Isolation} {home.Server} active {home.Epoch}"], active);
    }

    protected async Task<(string State, long Epoch)?> FenceAsync(Placement place, TenantId id)
    {
        try
        {
            await using var connection = await Platform.Servers.OpenAsync(
                place.Server,
                place.Database,
                SessionRole.Admin,
                CancellationToken.None
            );
            await using var command = new NpgsqlCommand(
                "SELECT state, epoch FROM tenantdocs.tenant_fence WHERE tenant_id = $1 AND schema_name = $2",
                connection
            );
            command.Parameters.Add(SqlValue.Of(id.Value));
            command.Parameters.Add(SqlValue.Of(place.Schema.Name));
            await using var reader = await command.ExecuteReaderAsync();
            return await reader.ReadAsync() ? (reader.GetString(0), reader.GetInt64(1)) : null;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName)
        {
            return null;
        }
    }

    /// <summary>Nothing of the tenant is anywhere but at its home: no database, no schema, no row, no fence.</summary>
    protected async Task NothingElsewhereAsync(TenantId id)
    {
        var home = (await TenantAsync(id)).Placement;
        var names = Platform.Get<DatabaseNames>();
        var found = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var server in new[] { First, Second })
        {
            foreach (var model in Enum.GetValues<IsolationModel>())
            {
                var place = Platform.Get<Isolations>()[model].PlaceFor(id, server, 1);
                if (await FenceAsync(place, id) is not null)
                {
                    found.Add($"{model} {server}");
                }
            }

            var databases = await DatabasesAsync(server);
            if (databases.Contains(names.DatabaseOf(id).Name))
            {
                found.Add($"{IsolationModel.Database} {server}");
            }

            var schemas = await ListAsync(
                server,
                names.SchemaDatabase.Name,
                $"SELECT nspname::text FROM pg_namespace WHERE nspname = '{DatabaseNames.SchemaOf(id).Name}'"
            );
            found.UnionWith(schemas.Select(_ => $"{IsolationModel.Schema} {server}"));
            var rows = await ListAsync(
                server,
                names.SharedDatabase.Name,
                $"SELECT DISTINCT tenant_id::text FROM shared.documents WHERE tenant_id = '{id.Value}'"
            );
            found.UnionWith(rows.Select(_ => $"{IsolationModel.Shared} {server}"));
        }

        Assert.Equal([$"{home.Isolation} {home.Server}"], found);
    }

    /// <summary>No slot and no publication of any move of this platform is left.</summary>
    protected async Task NothingLeaksAsync()
    {
        foreach (var server in new[] { First, Second })
        {
            foreach (var database in await DatabasesAsync(server))
            {
                Assert.Empty(await ListAsync(server, database, "SELECT pubname::text FROM pg_publication"));
                Assert.Empty(
                    await ListAsync(
                        server,
                        database,
                        "SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()"
                    )
                );
            }
        }
    }

    protected async Task<List<string>> DatabasesAsync(string server) =>
        await ListAsync(
            server,
            "postgres",
            $"SELECT datname::text FROM pg_database WHERE datallowconn AND starts_with(datname, '{Prefix}_')"
        );

    protected string Prefix => Platform.Get<DatabaseNames>().Prefix;

    protected async Task<List<string>> ListAsync(string server, string database, string sql)
    {
        await using var connection = await Platform.Servers.OpenAsync(
            server,
            new PgIdentifier(database),
            SessionRole.Admin,
            CancellationToken.None
        );
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var list = new List<string>();
        while (await reader.ReadAsync())
        {
            list.Add(reader.GetString(0));
        }

        return list;
    }
}
