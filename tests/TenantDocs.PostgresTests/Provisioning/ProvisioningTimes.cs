using System.Diagnostics;
using Npgsql;
using TenantDocs.Catalog;
using TenantDocs.Database;
using TenantDocs.Isolation;
using TenantDocs.Operations;
using TenantDocs.PostgresTests.Support;
using TenantDocs.Provisioning;

namespace TenantDocs.PostgresTests.Provisioning;

/// <summary>Provisioning beside the bare SQL that it cannot do without, through one connection each, interleaved.</summary>
public sealed class ProvisioningTimes(PostgresFixture postgres)
{
    [Theory(Explicit = true)] // a figure, not a verdict: on a busy machine it says nothing
    [InlineData(IsolationModel.Shared, 40)]
    [InlineData(IsolationModel.Schema, 20)]
    [InlineData(IsolationModel.Database, 10)]
    public async Task Provisioning_takes_at_most_twice_the_bare_SQL(IsolationModel model, int rounds)
    {
        var server = await postgres.ServerConnectionString(0);
        await using var platform = await Platform.StartAsync(server, [server]);
        await using var bare = await Bare.OpenAsync(platform, model);
        var product = new List<double>();
        var floor = new List<double>();
        for (var i = 0; i < rounds + 3; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await bare.CreateAsync();
            var between = Stopwatch.GetTimestamp();
            await ProvisionAsync(platform, model);
            if (i >= 3)
            {
                floor.Add(Stopwatch.GetElapsedTime(start, between).TotalMilliseconds);
                product.Add(Stopwatch.GetElapsedTime(between).TotalMilliseconds);
            }
        }

        var (ours, theirs) = (Median(product), Median(floor));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{model}: {ours:0.0} ms, bare {theirs:0.0} ms, × {ours / theirs:0.00}"
        );
        Assert.True(ours <= 2 * theirs, $"{model}: {ours:0.0} ms, bare {theirs:0.0} ms");
    }

    // What the API does between reading the request and writing the answer.
    private static async Task ProvisionAsync(Platform platform, IsolationModel model)
    {
        Assert.True(TenantSlug.TryParse($"p-{Guid.NewGuid():n}"[..20], out var slug));
        var started = await platform
            .Get<TenantProvisioning>()
            .StartAsync(new NewTenant(slug, "Timed") { Isolation = model }, "tests", CancellationToken.None);
        var ended = await platform
            .Get<OperationRequests>()
            .WaitAsync(started.Value, TimeSpan.FromMinutes(1), CancellationToken.None);
        Assert.Equal(OperationStatus.Succeeded, ended.Status);
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private sealed class Bare(Platform platform, IsolationModel model, NpgsqlConnection catalog, NpgsqlConnection home)
        : IAsyncDisposable
    {
        public static async Task<Bare> OpenAsync(Platform platform, IsolationModel model)
        {
            var names = platform.Get<DatabaseNames>();
            var database =
                model is IsolationModel.Shared ? names.SharedDatabase
                : model is IsolationModel.Schema ? names.SchemaDatabase
                : new PgIdentifier("postgres");
            var catalog = await platform.Catalog.Source.OpenConnectionAsync();
            return new Bare(
                platform,
                model,
                catalog,
                await platform.Servers.OpenAsync("local-1", database, SessionRole.Admin, CancellationToken.None)
            );
        }

        public async Task CreateAsync()
        {
            var id = TenantId.Create(DateTimeOffset.UtcNow);
            var place = platform.Get<Isolations>()[model].PlaceFor(id, "local-1", 1);
            await RunAsync(
                catalog,
                $"""
                INSERT INTO tenants (id, slug, name, tier, status, created_at, updated_at)
                VALUES ('{id}', 'b-{id.Value:n}', 'bare', 'starter', 'active', now(), now());
                INSERT INTO placements VALUES ('{id}', '{model.ToText()}', 'local-1', '{place.Database}', '{place.Schema}', 1)
                """
            );
            var open = $"""
                INSERT INTO {place.Schema.Quoted}.tenant_state (tenant_id) VALUES ('{id}');
                SELECT tenantdocs.place_fence('{id}', 1, 'active', 'readWrite', '{place.Schema}')
                """;
            switch (model)
            {
                case IsolationModel.Shared:
                    await RunAsync(home, open);
                    break;
                case IsolationModel.Schema:
                    await RunAsync(home, $"SELECT tenantdocs.clone_schema('template', '{place.Schema}'); {open}");
                    break;
                default:
                    var template = platform.Get<DatabaseNames>().TemplateDatabase;
                    await RunAsync(home, $"CREATE DATABASE {place.Database.Quoted} TEMPLATE {template.Quoted}");
                    await RunAsync(home, ServerBootstrap.DatabaseGrantsSql(place.Database));
                    await using (
                        var own = await platform.Servers.OpenAsync(
                            "local-1",
                            place.Database,
                            SessionRole.Admin,
                            CancellationToken.None
                        )
                    )
                    {
                        await RunAsync(own, open);
                    }

                    break;
            }
        }

        public async ValueTask DisposeAsync()
        {
            await catalog.DisposeAsync();
            await home.DisposeAsync();
        }

        private static async Task RunAsync(NpgsqlConnection connection, string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }
    }
}
