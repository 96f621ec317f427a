using System.Diagnostics;
using System.Globalization;
using System.Text;
using Npgsql;
using TenantDocs.Database;

namespace TenantDocs.Benchmarks.Moves;

/// <summary>
/// How fast a move copies, beside the fastest plain way: psql's binary COPY of the same rows piped into a schema with the
/// same indexes on the other server. <c>move-copy [--megabytes n] [--moves n] [--out file]</c>; psql must be in the PATH.
/// </summary>
internal sealed class CopyComparison(MoveSettings settings)
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
            await new CopyComparison(MoveSettings.Parse("move-copy", args)).RunAsync();
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
        var report = new MoveReport(settings, stage.Version);
        var tenant = await stage.CreateTenantAsync("mover", "shared");
        await stage.FillAsync(tenant, settings.Megabytes);
        var idle = stage.ResidentMiB();
        var ratios = new List<double>();
        var rounds = new StringBuilder(
            "| round | MB of rows | psql s | move s | psql ÷ move | writes waited ms |\n|---|---|---|---|---|---|\n"
        );
        for (var i = 0; i < settings.Moves; i++)
        {
            var piped = await PipeAsync(stage);
            var copying = new PhaseClock("copying");
            var move = await stage.MoveAsync(tenant, "database", "local-2", copying.Enter);
            var result = MoveStage.ResultOf(move);
            var copied = copying.Elapsed;
            ratios.Add(piped / copied);
            rounds.Append(
                CultureInfo.InvariantCulture,
                $"| {i + 1} | {(long)result["bytesCopied"]! / 1e6:0.0} | {piped.TotalSeconds:0.00} | {copied.TotalSeconds:0.00} | {piped / copied:0.00} | {result["writePauseMs"]} |\n"
            );
            MoveStage.ResultOf(await stage.MoveAsync(tenant, "shared", "local-1", _ => { }));
        }

        report.AtLeast("copy: psql's time ÷ the move's, median", ratios.Median(), 0.7);
        report.AtMost("host's resident memory while moving, above idle", stage.MostMiB - idle, 150, " MiB");
        report.Show("host's resident memory, idle", FigureTable.Number(idle) + " MiB");
        report.Section("Rounds", rounds.ToString());
        await report.WriteAsync(
            $"""
            The phase `copying` of a move (tables at a time: half the processors; in the order of the key, foreign keys off) beside `psql … COPY TO STDOUT
            (FORMAT binary) | psql … COPY FROM STDIN`, table after table, of the same rows into a schema with the same indexes on the same
            server. No load. {settings.Megabytes} MB of documents, about twice as much in rows: each document and its version.
            """
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

    /// <summary>How long a phase lasted, as told by the events of the operation.</summary>
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
