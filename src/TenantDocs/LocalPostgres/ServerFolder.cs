using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;

namespace TenantDocs.LocalPostgres;

/// <summary>
/// Chooses where the clusters' folders lie: in the data folder, except when root starts them and the user it drops to cannot get there
/// (a data folder below /root).
/// </summary>
internal static class ServerFolder
{
    public static async Task<string> ChooseAsync(
        string dataFolder,
        IReadOnlyList<string> clusters,
        ServerUser user,
        ILogger log,
        CancellationToken cancel
    )
    {
        PrivateFile.CreateFolder(dataFolder, user.Name is null ? PrivateFile.OwnerFolder : PrivateFile.PassableFolder);
        if (user.Name is null)
        {
            return dataFolder;
        }

        // The name follows from the data folder: the same clusters are found again, and two data folders never share one.
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(dataFolder)))[..12];
        var elsewhere = Path.Combine("/var/lib/tenantdocs", hash);
        // Once elsewhere, always: when the way to the data folder is opened later, the clusters must not seem to be gone.
        if (!HasAny(elsewhere) && await user.CanReachAsync(dataFolder, cancel))
        {
            return dataFolder;
        }

        if (HasAny(dataFolder))
        {
            throw new LocalPostgresException(
                $"""
                The local clusters in {dataFolder} cannot be reached by user {user.Name}, who has to run PostgreSQL because it refuses
                root. Nothing was changed. Start as the user who made them, or let others pass (chmod o+x on the folder and those above).
                """
            );
        }

        PrivateFile.CreateFolder("/var/lib/tenantdocs", PrivateFile.PassableFolder);
        PrivateFile.CreateFolder(elsewhere, PrivateFile.PassableFolder);
        log.Elsewhere(user.Name, dataFolder, elsewhere);
        return elsewhere;

        bool HasAny(string folder) =>
            clusters.Any(c => Directory.Exists(new ClusterFolder(Path.Combine(folder, c)).Data));
    }
}
