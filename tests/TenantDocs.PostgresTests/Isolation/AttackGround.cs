using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Isolation;

[CollectionDefinition(nameof(AttackGround))]
public sealed class AttackGroundDefinition : ICollectionFixture<AttackGround>;

/// <summary>One platform for all attacks, with a victim and an attacker in each model, and the ways in that they try.</summary>
public sealed class AttackGround(PostgresFixture postgres) : IAsyncLifetime
{
    public const string InsertDocument = """
        INSERT INTO documents (tenant_id, id, title, body, content_type, status, tags, metadata, language, bytes, version,
                               created_at, created_by, updated_at, updated_by)
        VALUES ($1, $2, $3, 'secret of ' || $3, 'text/plain', 'draft', '{}', '{}', 'english', 1, 1, now(), 'test', now(), 'test')
        """;

    private readonly Dictionary<IsolationModel, (Tenant Victim, Tenant Attacker)> _pairs = [];
    private readonly SemaphoreSlim _one = new(1, 1);

    public Platform Platform { get; private set; } = null!;

    public TenantSessions Sessions => Platform.Sessions;

    public static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var server = await postgres.ServerConnectionString(0);
        Platform = await Platform.StartAsync(server, [server]);
    }

    /// <summary>The two tenants that the tests of a model share; each test makes documents of its own.</summary>
    public async Task<(Tenant Victim, Tenant Attacker)> PairAsync(IsolationModel model)
    {
        await _one.WaitAsync();
        try
        {
            if (!_pairs.TryGetValue(model, out var pair))
            {
                pair = (await Platform.PlaceAsync(model), await Platform.PlaceAsync(model));
                _pairs.Add(model, pair);
            }

            return pair;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>A document made through the front door.</summary>
    public Task<Guid> WriteAsync(Tenant tenant, string title = "title") => Sessions.WriteDocumentAsync(tenant, title);

    /// <summary>How many of the tenant's documents have this id, asked through the front door: the positive control.</summary>
    public Task<long> CountAsync(Tenant tenant, Guid id) => Sessions.CountAsync(tenant, id);

    /// <summary>
    /// The worst case: a session of the attacker on the victim's own place (database and schema), in an open transaction, as if a
    /// gate had admitted it there to write. Only the policies are left.
    /// </summary>
    public async Task<NpgsqlConnection> IntrudeAsync(Tenant attacker, Tenant victim)
    {
        var connection = await Platform.OpenAsync(victim, SessionRole.App);
        await connection.ExecuteAsync("BEGIN; SELECT pg_current_xact_id()");
        await connection.ExecuteAsync(
            """
            SELECT set_config('app.current_tenant', $1, true), set_config('app.write_epoch', '1', true),
                   set_config('search_path', $2, true)
            """,
            SqlValue.Of(attacker.Id.ToString()),
            SqlValue.Of(victim.Placement.Schema.Name)
        );
        return connection;
    }

    public async ValueTask DisposeAsync()
    {
        _one.Dispose();
        await Platform.DisposeAsync();
    }
}
