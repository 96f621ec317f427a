using System.Text;

namespace TenantDocs.LocalPostgres;

/// <summary>The settings file of a cluster, written before every start and included by its postgresql.conf.</summary>
internal static class ServerSettings
{
    public const string FileName = "tenantdocs.conf";

    /// <summary>Appended to postgresql.conf once; relative, so that the folder can be moved.</summary>
    public const string Include =
        $"\n# Written anew at every start; change LocalPostgres:Settings instead.\ninclude '../{FileName}'\n";

    /// <summary>The room must know these to find the cluster again.</summary>
    public static readonly IReadOnlySet<string> Reserved = new HashSet<string>(StringComparer.OrdinalIgnoreCase)
    {
        "port",
        "listen_addresses",
        "unix_socket_directories",
        "data_directory",
        "hba_file",
        "config_file",
        "external_pid_file",
    };

    public static string Text(
        LocalPostgresOptions options,
        Version version,
        ClusterFolder folder,
        int port,
        string? socketFolder
    )
    {
        var settings = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase)
        {
            ["max_connections"] = $"{options.MaxConnections}",
            ["shared_buffers"] = "64MB",
            // A purge or a migration locks the tables of many schema tenants in one transaction.
            ["max_locks_per_transaction"] = "256",
            // Moves between clusters replicate rows; both sides need slots, senders and workers.
            ["wal_level"] = "logical",
            ["max_wal_senders"] = "32",
            ["max_replication_slots"] = "32",
            ["max_logical_replication_workers"] = "16",
            ["max_worker_processes"] = "32",
            ["password_encryption"] = "scram-sha-256",
            ["timezone"] = "UTC",
            ["log_timezone"] = "UTC",
            // One file per weekday, overwritten a week later: rotation that needs no cleaner.
            ["logging_collector"] = "on",
            ["log_directory"] = folder.Log,
            ["log_filename"] = "postgresql-%a.log",
            ["log_rotation_age"] = "1d",
            ["log_rotation_size"] = "0",
            ["log_truncate_on_rotation"] = "on",
            ["log_file_mode"] = "0600",
            ["fsync"] = "on",
            ["synchronous_commit"] = "on",
            ["full_page_writes"] = "on",
        };
        if (version.Major >= 18)
        {
            // Until 17 max_replication_slots counted these, too.
            settings["max_active_replication_origins"] = "32";
        }

        if (options.Fast)
        {
            settings["fsync"] = settings["synchronous_commit"] = settings["full_page_writes"] = "off";
        }

        foreach (var (name, value) in options.Settings)
        {
            settings[name] = value;
        }

        settings["listen_addresses"] = "127.0.0.1";
        settings["port"] = $"{port}";
        settings["unix_socket_directories"] = socketFolder is null
            ? ""
            : $"\"{socketFolder.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
        settings["unix_socket_permissions"] = "0700";
        return settings
            .Aggregate(
                new StringBuilder(),
                (text, s) => text.Append(s.Key).Append(" = '").Append(Quoted(s.Value)).Append("'\n")
            )
            .ToString();
    }

    // In a configuration file a backslash escapes, too.
    private static string Quoted(string value) =>
        value.Replace("\\", @"\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal);
}
