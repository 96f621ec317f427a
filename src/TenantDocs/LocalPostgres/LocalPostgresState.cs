using System.Text.Json;
using Npgsql;

namespace TenantDocs.LocalPostgres;

/// <summary>
/// <c>clusters.json</c> in the data folder, for this user's eyes only: how to reach the clusters. The command line finds running clusters by
/// it and starts none; the next start takes the same ports.
/// </summary>
internal sealed record LocalPostgresState(IReadOnlyList<LocalPostgresState.Entry> Clusters)
{
    private const string FileName = "clusters.json";

    // Spelled out, so that a person can read the file, too.
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>Null when no cluster was ever started there, or when the file cannot be read by this user.</summary>
    public static LocalPostgresState? TryRead(string dataFolder)
    {
        try
        {
            return JsonSerializer.Deserialize<LocalPostgresState>(
                File.ReadAllText(Path.Combine(dataFolder, FileName)),
                Json
            );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Puts entries in the place of those with the same names; call it under the data folder's lock.</summary>
    public static void Update(string dataFolder, IEnumerable<Entry> entries)
    {
        var all = entries.ToList();
        var others = (TryRead(dataFolder)?.Clusters ?? []).Where(o => all.TrueForAll(e => e.Name != o.Name));
        var state = new LocalPostgresState([.. others.Concat(all).OrderBy(e => e.Name, StringComparer.Ordinal)]);
        PrivateFile.Replace(Path.Combine(dataFolder, FileName), JsonSerializer.Serialize(state, Json));
    }

    /// <param name="Name">Name of the cluster.</param>
    /// <param name="ProcessId">Its postmaster when the file was written; null after a clean stop.</param>
    /// <param name="SocketFolder">Folder of its Unix socket; null where there is none.</param>
    /// <param name="Port">Port on 127.0.0.1, also part of the socket's name.</param>
    /// <param name="DataDirectory">PGDATA.</param>
    /// <param name="BinFolder">The binaries that run it.</param>
    /// <param name="Version">Version of the server.</param>
    /// <param name="Superuser">Role.</param>
    /// <param name="Password">Its password.</param>
    internal sealed record Entry(
        string Name,
        int? ProcessId,
        string? SocketFolder,
        int Port,
        string DataDirectory,
        string BinFolder,
        Version Version,
        string Superuser,
        string Password
    )
    {
        /// <summary>Superuser, database postgres; by the socket when it is there, else by TCP.</summary>
        public string ConnectionString =>
            new NpgsqlConnectionStringBuilder
            {
                Host =
                    SocketFolder is not null && File.Exists(LocalPostgres.SocketFolder.File(SocketFolder, Port))
                        ? SocketFolder
                        : "127.0.0.1",
                Port = Port,
                Username = Superuser,
                Password = Password,
                Database = "postgres",
            }.ConnectionString;

        /// <summary>Whether the server runs now.</summary>
        public bool Runs() => Postmaster.Read(DataDirectory)?.Runs(DataDirectory) == true;
    }
}
