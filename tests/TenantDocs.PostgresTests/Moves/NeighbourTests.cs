using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Isolation;
using TenantDocs.Moves;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;

namespace TenantDocs.PostgresTests.Moves;

/// <summary>What another tenant of the source does while one moves.</summary>
public sealed class NeighbourTests(PostgresFixture postgres) : FaultSetting(postgres)
{
    private const int Rows = 50_000;

    private readonly PostgresFixture _postgres = postgres;

    public override async ValueTask InitializeAsync()
    {
        var one = await _postgres.ServerConnectionString(0);
        await StartAsync(one, one, await _postgres.ServerConnectionString(1));
    }

    [Fact]
    public async Task A_neighbours_huge_commit_while_the_stream_catches_up_ends_no_move_and_reaches_no_target()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        var neighbour = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await using var workload = await WorkAsync(tenant);
        var committed = 0;
        FailPoints.At(
            $"move/{nameof(CatchUpStep)}/{FailPlace.BeforeDo}",
            async () =>
            {
                await using var connection = await Platform.OpenAsync(neighbour, SessionRole.Mover);
                await using var huge = new NpgsqlCommand(
                    """
                    INSERT INTO shared.document_changes
                    SELECT $1, n, 'x', gen_random_uuid(), 1, now(), 'w' FROM generate_series(1000, 999 + $2) AS n
                    """,
                    connection
                );
                huge.Parameters.Add(SqlValue.Of(neighbour.Id.Value));
                huge.Parameters.Add(SqlValue.Of(Rows));
                committed = await huge.ExecuteNonQueryAsync(CancellationToken.None);
            }
        );

        var move = await MoveAsync(tenant, ToDatabase);

        Assert.Equal(Rows, committed);
        Succeeded(move);
        var target = (await TenantAsync(tenant.Id)).Placement.Database.Name;
        Assert.Equal([$"{Rows}"], await CountAsync(First, neighbour.Placement.Database.Name, "shared", "=", neighbour));
        Assert.Equal(["0"], await CountAsync(Second, target, "tenant", "<>", tenant));
        await JudgeAsync(workload, move);
    }

    [Fact]
    public async Task A_neighbour_in_the_same_tables_is_served_all_the_time_while_a_tenant_moves()
    {
        var tenant = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        var neighbour = await Platform.NewTenantAsync(IsolationModel.Shared, server: First);
        await FillAsync(tenant, megabytes: 20);
        await using var workload = await WorkAsync(tenant);
        await using var other = new Workload(Platform, neighbour.Id).Start(writers: 1, readers: 1);
        await other.AdvanceAsync(20);

        var move = await MoveAsync(tenant, ToDatabase);

        Succeeded(move);
        await other.AdvanceAsync(20);
        // Nothing failed, nothing was lost, and nobody was held as long as a tenant that moves may be.
        await other.JudgeAsync();
        Assert.InRange(other.LongestMs, 0, 5_000);
        Assert.Equal(neighbour.Placement, (await TenantAsync(neighbour.Id)).Placement);
        await JudgeAsync(workload, move);
    }

    private Task<List<string>> CountAsync(string server, string database, string schema, string compared, Tenant to) =>
        ListAsync(
            server,
            database,
            $"SELECT count(*)::text FROM {schema}.document_changes WHERE tenant_id {compared} '{to.Id}'"
        );
}
