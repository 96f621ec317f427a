using System.Diagnostics;
using System.Globalization;
using Npgsql;
using TenantDocs.Database;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>
/// How fast a move copies, beside the fastest plain way: psql's binary COPY of the same rows piped into a schema with the
/// same indexes on the other server. <c>move-copy [--megabytes n] [--moves n]</c>; psql must be in the PATH.
/// </summary>
internal sealed class CopyComparison(MoveDemoOptions options)
{
    private const string BareSchema = "bare";
    private static readonly DatabaseNames Names = new();

    private const string TablesSql = """
        SELECT c.table_name, string_agg(quote_ident(c.column_name), ', ' ORDER BY c.ordinal_position)
          FROM information_schema.columns AS c
         WHERE c.table_schema = 'shared' AND c.is_generated = 'NEVER'
           AND EXISTS (SELECT FROM information_schema.columns AS t
                        WHERE t.table_schema = 'shared' AND t.table_name = c.table_name AND t.column_name = 'tenant_id')
         GROUP BY c.table_name ORDER BY c.table_name
        """;

    /// <summary>Runs it; 0 when it could be measured.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            await new CopyComparison(MoveDemoOptions.Parse(args)).RunAsync();
            return 0;
        }
        catch (BenchmarkException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    private async Task RunAsync()
    {
        await using var stage = await MoveStage.StartAsync();
        var tenant = await stage.CreateTenantAsync("mover", "shared");
        await stage.FillAsync(tenant, options.Megabytes);
        var idle = stage.ResidentMiB();
        var ratios = new List<double>();
        var most = 0.0;
        for (var i = 0; i < options.Moves; i++)
        {
            var piped = await PipeAsync(stage);
            var copying = new PhaseClock("copying");
            var result = await stage.MoveAsync(
                tenant,
                "database",
                "local-2",
                phase =>
                {
                    copying.Enter(phase);
                    most = Math.Max(most, stage.ResidentMiB());
                }
            );
            var copied = copying.Elapsed;
            var bytes = (long)result["bytesCopied"]!;
            ratios.Add(piped / copied);
            Console.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"round {i + 1}: {bytes / 1e6:0.0} MB of rows; psql {piped.TotalSeconds:0.00} s, move {copied.TotalSeconds:0.00} s, "
                        + $"ratio {piped / copied:0.00}; write pause {result["writePauseMs"]} ms"
                )
            );
            await stage.MoveAsync(tenant, "shared", "local-1", _ => { });
        }

        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"copy ÷ psql: median {ratios.Median():0.00}; host resident MiB: {idle:0} idle, {most:0} at most while moving"
            )
        );
    }

    private static async Task<TimeSpan> PipeAsync(MoveStage stage)
    {
        var from = new NpgsqlConnectionStringBuilder(stage.ConnectionString(0))
        {
            Database = Names.SharedDatabase.Name,
        };
        var to = new NpgsqlConnectionStringBuilder(stage.ConnectionString(1)) { Database = Names.SchemaDatabase.Name };
        await using var source = new NpgsqlConnection(from.ConnectionString);
        await using var target = new NpgsqlConnection(to.ConnectionString);
        await source.OpenAsync();
        await target.OpenAsync();
        await ExecuteAsync(
            target,
            $"SET ROLE tenantdocs_owner; SELECT tenantdocs.clone_schema('template', '{BareSchema}'); RESET ROLE"
        );
        try
        {
            var pipes = new List<string>();
            await using (var tables = await new NpgsqlCommand(TablesSql, source).ExecuteReaderAsync())
            {
                while (await tables.ReadAsync())
                {
                    var (table, columns) = (tables.GetString(0), tables.GetString(1));
                    pipes.Add(
                        // Rows of other tenants are a handful of the demo's own; the mover filters, so the pipe does.
                        $"psql -qXc \"COPY (SELECT {columns} FROM shared.{table} WHERE tenant_id = (SELECT tenant_id FROM "
                            + $"shared.documents LIMIT 1)) TO STDOUT (FORMAT binary)\" '{Conninfo(from)}' | psql -qX -c \"SET "
                            + $"session_replication_role = replica\" -c \"COPY {BareSchema}.{table} ({columns}) FROM STDIN "
                            + $"(FORMAT binary)\" '{Conninfo(to)}'"
                    );
                }
            }

            return await ShellAsync("set -eo pipefail; " + string.Join("; ", pipes));
        }
        finally
        {
            await ExecuteAsync(
                target,
                $"DROP SCHEMA {BareSchema} CASCADE; DELETE FROM tenantdocs.schema_version WHERE target = '{BareSchema}'"
            );
        }
    }

    private static async Task<TimeSpan> ShellAsync(string script)
    {
        var start = Stopwatch.GetTimestamp();
        using var shell = Process.Start(
            new ProcessStartInfo("bash") { ArgumentList = { "-c", script }, RedirectStandardError = true }
        )!;
        var said = await shell.StandardError.ReadToEndAsync();
        await shell.WaitForExitAsync();
        return shell.ExitCode == 0
            ? Stopwatch.GetElapsedTime(start)
            : throw new BenchmarkException($"The pipe of psql failed: {said}");
    }

    private static string Conninfo(NpgsqlConnectionStringBuilder c) =>
        $"host={c.Host} port={c.Port} user={c.Username} password={c.Password} dbname={c.Database}";

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>How long a phase lasted, to the polling's 50 ms.</summary>
    private sealed class PhaseClock(string phase)
    {
        private long? _began;
        private long? _ended;

        public TimeSpan Elapsed =>
            _began is { } began && _ended is { } ended
                ? Stopwatch.GetElapsedTime(began, ended)
                : throw new BenchmarkException($"The phase {phase} was too short to be seen: take more --megabytes.");

        public void Enter(string now)
        {
            if (now == phase)
            {
                _began ??= Stopwatch.GetTimestamp();
            }
            else if (_began is not null)
            {
                _ended ??= Stopwatch.GetTimestamp();
            }
        }
    }
}
