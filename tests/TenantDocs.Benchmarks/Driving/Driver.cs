using System.Diagnostics;
using System.Text.Json;

namespace TenantDocs.Benchmarks.Driving;

/// <summary>The load, in a process of its own: orders come in on standard input, counts go out, one JSON per line.</summary>
internal static class Driver
{
    private static readonly Dictionary<string, byte[][]> Requests = new(StringComparer.Ordinal);

    public static int Serve()
    {
        while (Console.In.ReadLine() is { } line)
        {
            var count = Run(JsonSerializer.Deserialize<LoadOrder>(line)!);
            Console.Out.WriteLine(JsonSerializer.Serialize(count));
        }

        return 0;
    }

    private static LoadCount Run(LoadOrder order)
    {
        var requests = Read(order.RequestFile);
        using var begin = new Barrier(order.Connections);
        var runs = Enumerable.Range(0, order.Connections).Select(i => new Loop(order, requests, begin, i)).ToList();
        var threads = runs.ConvertAll(r => new Thread(r.Run));
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());

        var latencies = runs.SelectMany(r => r.Latencies).ToArray();
        Array.Sort(latencies);
        return new LoadCount(
            latencies.Length,
            runs.Max(r => r.Seconds),
            Percentile(latencies, 0.5),
            Percentile(latencies, 0.99),
            runs.Sum(r => r.Bytes),
            runs.Sum(r => r.Errors),
            runs.Select(r => r.FirstError).FirstOrDefault(e => e is not null)
        );
    }

    private static double Percentile(int[] sorted, double part) =>
        sorted.Length == 0 ? 0 : sorted[(int)((sorted.Length - 1) * part)] * 1e6 / Stopwatch.Frequency;

    private static byte[][] Read(string file)
    {
        if (!Requests.TryGetValue(file, out var requests))
        {
            Requests[file] = requests = [
                .. File.ReadLines(file)
                    .Select(l => System.Text.Encoding.UTF8.GetBytes(JsonSerializer.Deserialize<string>(l)!)),
            ];
        }

        return requests;
    }

    private sealed class Loop(LoadOrder order, byte[][] requests, Barrier begin, int number)
    {
        public List<int> Latencies { get; } = new(64 * 1024);
        public double Seconds { get; private set; }
        public long Bytes { get; private set; }
        public long Errors { get; private set; }
        public string? FirstError { get; private set; }

        public void Run()
        {
            HttpConnection? connection = null;
            try
            {
                connection = new HttpConnection(order.Port);
                begin.SignalAndWait();
                Repeat(connection);
            }
            catch (Exception e)
            {
                Fail(e.Message);
                begin.RemoveParticipant();
            }
            finally
            {
                connection?.Dispose();
            }
        }

        private void Repeat(HttpConnection connection)
        {
            var random = new Random(number * 7919 + requests.Length);
            var start = Stopwatch.GetTimestamp();
            var end = start + (long)(order.Seconds * Stopwatch.Frequency);
            var now = start;
            while (now < end)
            {
                var (status, length) = connection.Send(requests[random.Next(requests.Length)]);
                var after = Stopwatch.GetTimestamp();
                Latencies.Add((int)(after - now));
                now = after;
                Bytes += length;
                if (status != order.Expect || length < order.Shortest)
                {
                    Fail($"{status}, {length} bytes: {connection.Body}");
                }
            }

            Seconds = (now - start) / (double)Stopwatch.Frequency;
        }

        private void Fail(string error)
        {
            Errors++;
            FirstError ??= error;
        }
    }
}
