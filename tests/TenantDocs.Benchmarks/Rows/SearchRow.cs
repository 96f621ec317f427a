using System.Diagnostics;
using System.Globalization;
using System.Text;
using Npgsql;
using TenantDocs.Benchmarks.Stage;
using TenantDocs.Documents;
using TenantDocs.Isolation;

namespace TenantDocs.Benchmarks.Rows;

/// <summary>
/// Search in one large tenant among many: the audited function under the policies, the same query without policies on the
/// same index, and the same query under the policies alone (where the index is dead).
/// </summary>
internal static class SearchRow
{
    private const string Gate = "SELECT tenantdocs.enter_read($1, $2)";

    // The body of search_documents in the place of its call: what anybody would write without tenants at odds.
    private const string Direct = """
        SELECT d.tenant_id, d.id, d.title, hit.score,
               ts_headline(c.config, translate(left(d.body, 20000), $5, ''), q.query, $6),
               ts_headline(c.config, translate(d.title, $5, ''), q.query, $7)
          FROM (SELECT ('pg_catalog.' || $2)::regconfig AS config) AS c,
               websearch_to_tsquery(('pg_catalog.' || $2)::regconfig, $3) AS q (query),
               LATERAL (SELECT d.id, ts_rank(d.search, q.query) AS score
                          FROM documents AS d
                         WHERE d.tenant_id = $1 AND d.search @@ q.query AND d.deleted_at IS NULL
                         ORDER BY score DESC, d.id DESC
                         LIMIT $4) AS hit
          JOIN documents AS d ON d.tenant_id = $1 AND d.id = hit.id
         ORDER BY hit.score DESC, hit.id DESC
        """;

    public static async Task MeasureAsync(Bench bench, Report report)
    {
        var api = await bench.ApiAsync();
        var database = $"{api.Prefix}_shared";
        var (big, others, each) = bench.Settings.Quick ? (5_000, 9, 5_000) : (50_000, 90, 5_000);
        var tenants = Enumerable.Range(0, others + 1).Select(_ => Guid.CreateVersion7()).ToArray();
        await Seeder.FenceAsync(bench.Cluster, database, tenants);
        // The large tenant in the middle: neither first nor last in the table.
        await bench.Loader.LoadAsync(
            database,
            "shared",
            tenants.Select((t, i) => (t, i == others / 2 ? big : each)),
            characters: 1000,
            rebuild: true
        );
        var tenant = tenants[others / 2];

        await using var app = Source(Seeder.AppConnectionString(bench.Cluster, database));
        await using var admin = Source(bench.Cluster.To(database, "shared"));
        var corpus = bench.Loader.Corpus;
        string[] queries =
        [
            corpus[3000],
            corpus[600],
            $"{corpus[150]} {corpus[200]}",
            $"{corpus[1500]} OR {corpus[1600]}",
        ];
        var table = new StringBuilder(
            "| query | hits | function, ms | without policies, ms | ratio | policies alone, ms |\n|---|---|---|---|---|---|\n"
        );
        var ratios = new List<double>();
        foreach (var query in queries)
        {
            var (function, plain, naive) = await CompareAsync(bench, app, admin, tenant, query);
            ratios.Add(function / plain);
            var hits = await HitsAsync(admin, tenant, query);
            table.Append(
                CultureInfo.InvariantCulture,
                $"| {Describe(query)} | {hits} | {Report.Number(function)} | {Report.Number(plain)} | {Report.Number(function / plain)} | {Report.Number(naive)} |\n"
            );
        }

        report.AtMost(
            $"search in {big:N0} of {big + (others * each):N0} documents: RLS by the function ÷ without RLS, worst of {queries.Length} queries",
            ratios.Max(),
            1.3
        );
        report.Section("Search", table.ToString());
    }

    private static async Task<(double Function, double Plain, double Naive)> CompareAsync(
        Bench bench,
        NpgsqlDataSource app,
        NpgsqlDataSource admin,
        Guid tenant,
        string query
    )
    {
        await using var asApp = await app.OpenConnectionAsync();
        await using var asAdmin = await admin.OpenConnectionAsync();
        var times = (Function: new List<double>(), Plain: new List<double>(), Naive: new List<double>());
        var rounds = bench.Settings.Quick ? 20 : 60;
        for (var round = -8; round < rounds; round++) // the first ones until statements are prepared and plans generic
        {
            var function = await TimeAsync(asApp, tenant, DocumentSql.Search, FunctionValues(tenant, query));
            var plain = await TimeAsync(asAdmin, null, Direct, DirectValues(tenant, query));
            if (function.Rows != plain.Rows)
            {
                throw new BenchmarkException($"Search found {function.Rows} and {plain.Rows} rows for '{query}'.");
            }

            // Slow: fewer rounds are enough.
            var naive = round is < 0 or > 10 ? null : await NaiveAsync(asApp, tenant, query);
            if (round >= 0)
            {
                times.Function.Add(function.Milliseconds);
                times.Plain.Add(plain.Milliseconds);
                times.Naive.AddRange(naive is { } n ? [n] : []);
            }
        }

        return (times.Function.Median(), times.Plain.Median(), times.Naive.Median());
    }

    private static async Task<double?> NaiveAsync(NpgsqlConnection connection, Guid tenant, string query) =>
        (await TimeAsync(connection, tenant, Direct, DirectValues(tenant, query))).Milliseconds;

    private static async Task<(double Milliseconds, int Rows)> TimeAsync(
        NpgsqlConnection connection,
        Guid? gated,
        string sql,
        NpgsqlParameter[] values
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        if (gated is { } tenant)
        {
            var gate = new NpgsqlBatchCommand(Gate);
            gate.Parameters.Add(SqlValue.Of(tenant));
            gate.Parameters.Add(SqlValue.Of(1L));
            batch.BatchCommands.Add(gate);
        }

        var command = new NpgsqlBatchCommand(sql);
        command.Parameters.AddRange(values);
        batch.BatchCommands.Add(command);
        var start = Stopwatch.GetTimestamp();
        await using var reader = await batch.ExecuteReaderAsync();
        if (gated is not null)
        {
            await reader.NextResultAsync();
        }

        var rows = 0;
        while (await reader.ReadAsync())
        {
            rows++;
        }

        return (Stopwatch.GetElapsedTime(start).TotalMilliseconds, rows);
    }

    private static NpgsqlParameter[] FunctionValues(Guid tenant, string query) =>
        [
            SqlValue.Of(tenant),
            SqlValue.Of("english"),
            SqlValue.Of(query),
            SqlValue.Of(51),
            SqlValue.Of(0f),
            SqlValue.Of((Guid?)null),
            SqlValue.Of((string?)null),
            SqlValue.Of(HighlightText.Controls),
            SqlValue.Of(HighlightText.PassageOptions),
            SqlValue.Of(HighlightText.TitleOptions),
            SqlValue.Of((Guid?)null),
        ];

    private static NpgsqlParameter[] DirectValues(Guid tenant, string query) =>
        [
            SqlValue.Of(tenant),
            SqlValue.Of("english"),
            SqlValue.Of(query),
            SqlValue.Of(51),
            SqlValue.Of(HighlightText.Controls),
            SqlValue.Of(HighlightText.PassageOptions),
            SqlValue.Of(HighlightText.TitleOptions),
        ];

    private static async Task<long> HitsAsync(NpgsqlDataSource admin, Guid tenant, string query)
    {
        await using var connection = await admin.OpenConnectionAsync();
        return await connection.ScalarAsync<long>(
            "SELECT count(*) FROM documents WHERE tenant_id = $1 AND search @@ websearch_to_tsquery('english', $2)",
            tenant,
            query
        );
    }

    private static string Describe(string query) =>
        query.Contains(" OR ", StringComparison.Ordinal) ? "one of two words"
        : query.Contains(' ', StringComparison.Ordinal) ? "two words"
        : "one word";

    private static NpgsqlDataSource Source(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString)
        {
            SearchPath = "shared",
            MaxAutoPrepare = 64,
            AutoPrepareMinUsages = 2,
            NoResetOnClose = true,
            CommandTimeout = 300,
        };
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        return builder.Build();
    }
}
