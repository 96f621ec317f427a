using System.Text;

namespace TenantDocs.Benchmarks.Stage;

/// <summary>
/// Text with the word frequencies of prose: 20,000 invented words, the n-th about 1/n as frequent as the first. The same at
/// every run.
/// </summary>
internal sealed class Corpus
{
    private const int PoolLength = 4_000_000;
    private readonly Lock _lock = new();
    private readonly Random _random;
    private readonly string[] _words;
    private readonly string _pool;

    public Corpus(int seed = 15)
    {
        _random = new Random(seed);
        _words = Words(_random);
        var pool = new StringBuilder(PoolLength + 32);
        while (pool.Length < PoolLength)
        {
            pool.Append(Word()).Append(_random.Next(12) == 0 ? ". " : " ");
        }

        _pool = pool.ToString();
    }

    /// <summary>The n-th most frequent word.</summary>
    public string this[int rank] => _words[rank];

    public string Title()
    {
        lock (_lock)
        {
            return string.Join(' ', Enumerable.Range(0, 6).Select(_ => Word()));
        }
    }

    /// <summary>About so many characters, whole words.</summary>
    public string Body(int characters)
    {
        int from;
        lock (_lock)
        {
            from = _random.Next(PoolLength - characters - 64);
        }

        var start = _pool.IndexOf(' ', from) + 1;
        var end = _pool.IndexOf(' ', start + characters);
        return _pool[start..end];
    }

    // The inverse of Zipf's distribution with exponent 1, continuous: rank = N^u.
    private string Word() => _words[(int)Math.Pow(_words.Length, _random.NextDouble()) - 1];

    private static string[] Words(Random random)
    {
        string[] first =
        [
            "b",
            "br",
            "c",
            "d",
            "dr",
            "f",
            "g",
            "gr",
            "l",
            "m",
            "n",
            "p",
            "pl",
            "r",
            "s",
            "st",
            "t",
            "tr",
            "v",
            "w",
        ];
        string[] middle = ["a", "e", "i", "o", "u", "ai", "ea", "ou"];
        var words = new HashSet<string>(StringComparer.Ordinal);
        while (words.Count < 20_000)
        {
            var syllables = 2 + random.Next(2);
            words.Add(
                string.Concat(
                    Enumerable
                        .Range(0, syllables)
                        .Select(_ => first[random.Next(first.Length)] + middle[random.Next(middle.Length)])
                ) + "nkl"[random.Next(3)]
            );
        }

        return [.. words];
    }
}
