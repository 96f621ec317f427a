using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using Npgsql;
using TenantDocs.Benchmarks.Stage;

namespace TenantDocs.Benchmarks.Rows;

/// <summary>Database round trips of the operations on a document, counted on the wire, one request at a time.</summary>
internal static class RoundTripsRow
{
    private const int Repetitions = 50;

    public static async Task MeasureAsync(Bench bench, Report report)
    {
        using var counter = new TurnCounter(bench.Cluster.Port);
        var server = new NpgsqlConnectionStringBuilder(bench.Cluster.ConnectionString)
        {
            Host = "127.0.0.1",
            Port = counter.Port,
        };
        using var api = await ApiHost.StartAsync(bench.Cluster, "bench_trips", server.ConnectionString);
        var table = new StringBuilder("| | GET | list | create | PATCH | DELETE |\n|---|---|---|---|---|---|\n");
        var (read, write) = (0.0, 0.0);
        foreach (var model in new[] { "shared", "schema", "database" })
        {
            await using var bare = await BareTenants.OpenAsync(bench.Cluster, api.Prefix, model);
            var tenant = await bare.MakeWithKeyAsync($"trips-{model}");
            using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{api.Port}") };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", tenant.Key);
            var ids = new List<string>();
            var creates = await CountAsync(counter, async i => ids.Add(await CreateAsync(client, i)));
            var gets = await CountAsync(counter, i => SendAsync(client, HttpMethod.Get, ids[i], null, null));
            var lists = await CountAsync(counter, _ => SendAsync(client, HttpMethod.Get, "", null, null));
            var patches = await CountAsync(
                counter,
                i => SendAsync(client, HttpMethod.Patch, ids[i], "\"1\"", $$"""{"title":"another {{i}}"}""")
            );
            var deletes = await CountAsync(counter, i => SendAsync(client, HttpMethod.Delete, ids[i], "\"2\"", null));
            (read, write) = (Math.Max(read, Math.Max(gets, lists)), new[] { write, creates, patches, deletes }.Max());
            table.Append(
                CultureInfo.InvariantCulture,
                $"| {model} | {gets:0.00} | {lists:0.00} | {creates:0.00} | {patches:0.00} | {deletes:0.00} |\n"
            );
        }

        report.AtMost("database round trips: read of a document", read, 1);
        report.AtMost("database round trips: write of a document", write, 3);
        report.Section("Round trips", table.ToString());
    }

    // The first ones open connections and do not count.
    private static async Task<double> CountAsync(TurnCounter counter, Func<int, Task> request)
    {
        const int Warm = 5;
        var before = 0L;
        for (var i = 0; i < Warm + Repetitions; i++)
        {
            before = i == Warm ? counter.Turns : before;
            await request(i);
        }

        return (counter.Turns - before) / (double)Repetitions;
    }

    private static async Task<string> CreateAsync(HttpClient client, int i)
    {
        using var answer = await client.PostAsJsonAsync(
            new Uri("/v1/documents", UriKind.Relative),
            new { title = $"document {i}", body = "text" }
        );
        answer.EnsureSuccessStatusCode();
        return answer.Headers.Location!.ToString().Split('/')[^1];
    }

    private static async Task SendAsync(HttpClient client, HttpMethod method, string id, string? version, string? patch)
    {
        using var request = new HttpRequestMessage(method, $"/v1/documents/{id}".TrimEnd('/'));
        if (version is not null)
        {
            request.Headers.TryAddWithoutValidation("If-Match", version);
        }

        if (patch is not null)
        {
            request.Content = new StringContent(patch, new MediaTypeHeaderValue("application/merge-patch+json"));
        }

        using var answer = await client.SendAsync(request);
        answer.EnsureSuccessStatusCode();
    }
}
