namespace TenantDocs.Benchmarks.Stage;

/// <summary>The databases of what the product is compared with: its own tables, without its isolation.</summary>
internal static class Comparison
{
    /// <summary>No policy at all; reached by a superuser.</summary>
    public const string Floor = "bench_floor";

    /// <summary>The usual single policy; reached by a role that owns nothing.</summary>
    public const string Peers = "bench_peers";

    /// <summary>Where the tables are in both.</summary>
    public const string Schema = "tenant";

    private const string PeerRole = "bench_peer";
    private const string PeerPassword = "bench";

    /// <summary>Makes both from the template that the product makes tenant databases from: the same tables and indexes.</summary>
    public static async Task CreateAsync(Cluster cluster, string prefix)
    {
        foreach (var name in new[] { Floor, Peers })
        {
            await cluster.ExecuteAsync("postgres", $"CREATE DATABASE {name} TEMPLATE {prefix}_template");
            await cluster.ExecuteAsync(
                name,
                """
                DO $$
                DECLARE r record;
                BEGIN
                    FOR r IN SELECT p.polname, p.polrelid::regclass AS t FROM pg_policy AS p LOOP
                        IF current_database() = 'bench_floor' OR r.polname <> 'tenant_isolation' THEN
                            EXECUTE format('DROP POLICY %I ON %s', r.polname, r.t);
                        END IF;
                        IF current_database() = 'bench_floor' THEN
                            EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', r.t);
                        END IF;
                    END LOOP;
                END
                $$
                """
            );
        }

        await cluster.ExecuteAsync(
            Peers,
            $"""
            CREATE ROLE {PeerRole} LOGIN PASSWORD '{PeerPassword}';
            GRANT CONNECT ON DATABASE {Peers} TO {PeerRole};
            GRANT USAGE ON SCHEMA {Schema}, tenantdocs TO {PeerRole};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {Schema} TO {PeerRole};
            GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tenantdocs TO {PeerRole};
            """
        );
    }

    /// <summary>The connection strings of both: the same pool and the same automatic preparation as the product's.</summary>
    public static (string Floor, string Peers) ConnectionStrings(Cluster cluster)
    {
        var floor = Pooled(cluster.To(Floor, Schema));
        var peers = Pooled(cluster.To(Peers, Schema));
        (peers.Username, peers.Password) = (PeerRole, PeerPassword);
        return (floor.ConnectionString, peers.ConnectionString);
    }

    private static Npgsql.NpgsqlConnectionStringBuilder Pooled(string connectionString) =>
        new(connectionString)
        {
            MaxPoolSize = 40,
            MaxAutoPrepare = 64,
            AutoPrepareMinUsages = 2,
            NoResetOnClose = true,
            CommandTimeout = 30,
        };
}
